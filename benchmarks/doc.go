// Package benchmarks holds the library against what the same database can do
// at best. It is a module of its own, so that what it compares with does not
// become a dependency of the library.
//
// Every benchmark runs its contenders in turns within the same run, in rounds
// of fixed work, and reports medians over the rounds: of each contender's rate
// and of the ratio between them in the same round. Absolute rates depend on the
// machine and on whatever else it is doing; ratios hardly do. An iteration is a
// round, so give their number:
//
//	export WINCHESTER_POSTGRES=postgres://postgres@127.0.0.1:5432/postgres
//	go test -run '^$' -bench . -benchtime 11x
//
// A floor is what a good engineer would write by hand for one purpose, with
// nothing but the driver: the same rows in the same tables and indexes, in the
// fewest statements. Everything that a floor needs beside the database is made
// before its clock starts: JSON, keys, arrays, all sorted. The engine's clock
// covers it all, from the events as a host has them.
//
// The process holds 64 MB besides, for the garbage collector to behave as in a
// service.
//
// WINCHESTER_BENCH_BIG=1 adds what needs millions of stored events.
package benchmarks
