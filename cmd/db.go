package cmd

import "github.com/spf13/cobra"

func newDB(*options) *cobra.Command { return group("db", "Create, change and inspect the database's schema") }
