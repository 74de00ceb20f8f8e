package yamlx

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// resolve gives the value of a scalar that stands without quotes.
func resolve(text string) (any, error) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil, nil
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1), nil
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1), nil
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), nil
	}
	if c := text[0]; c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') {
		return text, nil
	}
	if isInteger(text) {
		// Base 0 knows 0x, 0o, 0b, the leading 0 of octal, and underscores.
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
		if errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("the integer %s does not fit into 64 bits; put it in quotes if text is meant", shorten(text))
		}
		if err == nil {
			return n, nil
		}
		return text, nil
	}
	if isFloat(text) {
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil {
			return nil, fmt.Errorf("the number %s is too large; put it in quotes if text is meant", shorten(text))
		}
		return f, nil
	}
	return text, nil
}

// resolveJSON is resolve for a file that is JSON, where 1e3 is a number.
func resolveJSON(text string) (any, error) {
	if strings.ContainsAny(text, "eE") && !strings.Contains(text, ".") && text[0] <= '9' {
		mantissa, exponent, _ := cutExponent(text)
		text = mantissa + ".0e" + exponent
	}
	return resolve(text)
}

// isInteger tells whether text has the form of an integer, if perhaps not the
// digits of its base.
func isInteger(text string) bool {
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || digits[0] < '0' || digits[0] > '9' {
		return false
	}
	set := "0123456789_"
	switch {
	case strings.HasPrefix(digits, "0x"):
		set, digits = "0123456789abcdefABCDEF_", digits[2:]
	case strings.HasPrefix(digits, "0o"):
		set, digits = "01234567_", digits[2:]
	case strings.HasPrefix(digits, "0b"):
		set, digits = "01_", digits[2:]
	case digits[0] == '0' && strings.ContainsAny(digits, "89"):
		return false // neither octal nor, by old rules, decimal
	}
	return digits != "" && strings.Trim(digits, set) == "" && strings.Trim(digits, "_") != ""
}

// isFloat wants a point: 1e3 was text to the readers that files were written
// for, and many an identifier looks like it.
func isFloat(text string) bool {
	mantissa := strings.TrimLeft(text, "+-")
	if len(text)-len(mantissa) > 1 || !strings.Contains(mantissa, ".") {
		return false
	}
	mantissa, exponent, found := cutExponent(mantissa)
	if found && !isDigits(strings.TrimPrefix(strings.TrimPrefix(exponent, "+"), "-")) {
		return false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return (whole != "" || fraction != "") && (whole == "" || isDigits(whole)) && (fraction == "" || isDigits(fraction))
}

func cutExponent(s string) (mantissa, exponent string, found bool) {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func isDigits(s string) bool {
	return s != "" && s[0] != '_' && strings.Trim(s, "0123456789_") == ""
}

// legacyBools are the words that YAML 1.1 took for booleans.
var legacyBools = map[string]bool{
	"yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}
