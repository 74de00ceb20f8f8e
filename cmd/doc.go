// Package cmd is the command winchester, for a host to build with its own
// handlers, trait plugins and database drivers compiled in:
//
//	func main() {
//		handlers := config.Handlers()
//		winchester.MustRegister(handlers, "remind", newRemind)
//		cmd.Main(cmd.Options{Handlers: handlers})
//	}
//
// docs/command.md is the manual. Each subcommand is a file here, and root.go
// lists them.
//
// # Exit codes
//
//	0  done
//	1  failed: the database, a broker or a file could not be used, or simulate
//	   found other than expected
//	2  wrong usage, or something is wrong in the configuration
//	3  done in part: some of the input could not be used
//	4  there is no such stream or event
//	130  interrupted by SIGINT or SIGTERM before it was done
//
// Errors go to standard error, each line with the command's name in front; what
// was asked for goes to standard output, and nothing else does.
//
// # Dependencies
//
// This package stands above everything else but the examples.
package cmd
