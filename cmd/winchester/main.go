// Winchester is the command: see docs/command.md.
package main

import "github.com/seed71495667/winchester/cmd"

func main() { cmd.Main(cmd.Options{}) }
