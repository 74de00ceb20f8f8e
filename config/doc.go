// Package config reads winchester.yaml and the files that it names, checks them
// as a compiler would, and wires an engine.
//
//	cfg, err := config.Load("winchester.yaml", config.Options{Handlers: handlers})
//	...
//	engine, err := cfg.Open(ctx)
//	...
//	defer engine.Close()
//
// The files are those of the Python Winchester, unchanged, with a few keys more.
// docs/configuration.md is the guide, docs/triggers.md and docs/pipelines.md are
// the references of the other files; Describe lists the keys.
//
// # Faults
//
// Nothing is skipped and nothing is guessed: what is unknown, misspelt, of the
// wrong type or of no use is a Fault, with file, line and column. All faults of
// all files are reported together, as Faults. What is accepted and has no effect
// is a Warning. Neither, nor any other error or log line, has a password in it.
//
//	situation                                        | error
//	-------------------------------------------------|----------------------------------
//	something is wrong in a file, or between two     | Faults, winchester.ErrDefinition
//	a file that is an argument cannot be read        | the operating system's, fs.ErrNotExist
//	Open finds a schema that it may not bring up     | store.ErrNotMigrated
//	to date                                          |
//
// Files may come from strangers: one that is too large, too deep, or made to
// grow is refused within a second and a hundred megabytes.
//
// # Dependencies
//
// This package stands above winchester, distiller, store, amqp and the handlers, and
// below the commands and examples. None of those below knows it.
package config
