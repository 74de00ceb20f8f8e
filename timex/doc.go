// Package timex is a small language for points and spans of time, written
// relative to variables: when a stream of events expires, which events belong
// to one day, how old an event may grow.
//
//	$last + 2d                            two days after the last event
//	day                                   the day of $timestamp, midnight to midnight
//	day($launched_at) @ 6h                the day of $launched_at, if days began at six
//	$timestamp - 1h to $timestamp + 1h    an hour to either side
//
// An expression is parsed once, when the configuration that holds it is
// loaded, and evaluated as often as needed:
//
//	expr, err := timex.Parse("$last + 2d")
//	...
//	err = expr.CheckVariables("first", "last", "timestamp")
//	...
//	value, err := expr.Eval(timex.Map{"last": event.Timestamp})
//
// There is no clock in this package. A caller for whom $timestamp means "now"
// supplies it like any other variable; a variable that is not supplied is an
// error.
//
// The package depends on nothing but the standard library and a helper for
// error messages; everything else in this module may depend on it.
//
// # Language
//
//	expression = ( timestamp | range ) .
//	timestamp  = ( "$" name | "(" timestamp ")" ) { step } .
//	range      = timestamp "to" timestamp
//	           | ( name [ "(" timestamp ")" ] | "(" range ")" ) { step } .
//	step       = ( "+" | "-" | "@" ) duration .
//	duration   = number [ unit ] { number [ unit ] } .
//	unit       = "us" | "s" | "sec" | "m" | "min" | "h" | "hr" | "d" | "mo" | "y" | "yr" .
//	name       = letter { letter | digit } .   letter includes "_"
//
// Spaces, tabs and newlines separate words and mean nothing else. Words are
// case-sensitive; "to" and the units cannot be names. Steps apply from left to
// right and bind closer than "to": "$a to $b + 1d" moves only the end,
// "($a to $b) + 1d" both.
//
// A timestamp contains only itself. A range contains its begin and not its
// end. Every result is in UTC and a whole number of microseconds. What is
// more precise is truncated.
//
// # Steps
//
// "+" and "-" move by a duration, "@" replaces fields: "$t @ 0m 0s 0us" is the
// full hour. The units of a duration add up, so "1h 90m" is two and a half
// hours, and "@ 3h 4h" sets the hour to seven. A duration moves by its days and
// smaller units first, then by its months and years together. A day has 24
// hours.
//
// Where moving by months or years reaches a month that lacks the day, the day
// becomes the last of that month: 31 January + 1mo is 28 or 29 February.
// Replacing does not forgive like that: a timestamp @ 31d in a month of 30
// days is an error.
//
// Only a number that directly follows a range may lack its unit. It is one
// size below the range: minutes for hour, hours for day, days for month,
// months for year. For a "to" range the length decides, with a month counted
// as 28 and a year as 365 days; below an hour it is seconds, below a minute
// microseconds.
//
// # Functions
//
// hour, day, month and year give the one that contains their argument, which
// is $timestamp if there is none. The range remembers that argument, its pin,
// and steps after it depend on their units:
//
//   - Units smaller than the function's move the boundaries between all
//     ranges of its kind, and the result is the one that contains the pin.
//     "day @ 6h" runs from six to six: for a pin at five it began the day
//     before. "month + 3d" on 1 March is 4 February to 4 March. More than the
//     unit's length wraps around: "day + 30h" is "day + 6h".
//   - Units as large as the function's, or larger, move the pin and the range
//     with it: "day($t) - 1d" is "day($t - 1d)", the day before; "month @ 3mo"
//     is March. A month or year stays whole whatever the day of the pin:
//     "month @ 2mo" on the 31st is February.
//   - A duration with both does both: "day + 1d 2h" is "day + 1d + 2h".
//
// Where a month lacks the day of a boundary, its last day takes the place:
// "month @ 31d" runs from one month's last day to the next. So an expression
// of a function and smaller units divides all time into ranges without gaps or
// overlaps.
//
// # Errors
//
// Parse and CheckVariables return a *[SyntaxError], with the column. Eval
// returns an *[EvalError]. Both match these sentinels with errors.Is:
//
//	a character of no use                        ErrLex
//	a word out of place, or missing at the end   ErrSyntax
//	empty, or over a limit below                 ErrSyntax
//	a function that does not exist               ErrUnknownFunction, ErrExpression
//	a variable without a value                   ErrUndefinedVariable, ErrExpression
//	24h, 32d, 13mo and so on after "@"           ErrOutOfRange, ErrExpression
//	31d after "@" for a timestamp in April       ErrOutOfRange, ErrExpression
//	a result before year 1 or after year 9999    ErrOutOfRange, ErrExpression
//
// What the text alone proves wrong, Parse reports. Of several faults, a
// character or word out of place comes before the others.
//
// # Limits
//
// An expression has at most [MaxLength] bytes and [MaxDepth] nested
// parentheses. Evaluation does not recurse, and its cost grows with the number
// of steps alone, never with the size of a duration.
package timex
