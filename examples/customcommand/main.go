// Customcommand is the command winchester with a handler of its own compiled in:
//
//	go build -o shop ./examples/customcommand
//	cd examples/customcommand/etc && ../../../shop check
package main

import (
	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/cmd"
	"github.com/seed71495667/winchester/config"
)

func main() {
	handlers := config.Handlers() // the ready-made ones
	winchester.MustRegister(handlers, "remind", newRemind)
	cmd.Main(cmd.Options{Name: "shop", Handlers: handlers})
}
