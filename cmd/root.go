package cmd

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester/internal/suggest"
)

// commands are the subcommands, in the order in which help lists them.
var commands = []func(o *options) *cobra.Command{
	newDB, newCheck, newAdd, newWorker, newConsume, newStreams, newEvents, newExplain, newDistill, newSimulate, newClock, newTimex,
}

const rootHelp = `Winchester turns a flood of small facts into few, complete batches: triggers file
events into streams, streams fire or expire, pipelines of handlers get their events.

Exit codes: 0 done; 1 failed: the database, a broker or a file could not be used, or
simulate found other than expected; 2 wrong usage, or something is wrong in the
configuration; 3 done in part: some of the input could not be used; 4 there is no such
stream or event; 130 interrupted before it was done.`

func newRoot(o *options) *cobra.Command {
	root := group(o.host.Name, "A durable event engine: triggers, streams, pipelines")
	root.Long = rootHelp
	root.Version = o.version()
	root.SilenceErrors, root.SilenceUsage = true, true
	flags := root.PersistentFlags()
	flags.StringVarP(&o.configFile, "config", "c", "winchester.yaml", "the configuration `file`")
	flags.StringVar(&o.database, "database", "", "the database's `URL`, instead of the configuration's")
	flags.BoolVar(&o.json, "json", false, "print JSON, for programs")
	flags.StringVar(&o.logLevel, "log-level", "", "log `level`: debug, info, warning, error or critical")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml", "json")
	_ = root.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(logLevelNames, cobra.ShellCompDirectiveNoFileComp))
	cobra.EnableCommandSorting = false
	for _, make := range commands {
		root.AddCommand(make(o))
	}
	o.observe(root)
	return root
}

// observe notes, of each command that is run, which it is and that its arguments
// were in order.
func (o *options) observe(c *cobra.Command) {
	for _, sub := range c.Commands() {
		o.observe(sub)
	}
	if pre := c.Args; pre != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			o.called = c.CommandPath()
			return pre(c, args)
		}
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		o.called = c.CommandPath()
		return err
	})
	if c.ValidArgsFunction == nil && !strings.Contains(c.Use, "FILE") {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			o.called, o.running, o.cmd = c.CommandPath(), true, c
			if err := notEmpty(c, "config", "database", "name", "state"); err != nil {
				return err
			}
			if _, err := o.level(0); err != nil {
				return err
			}
			return run(c, args)
		}
	}
}

// notEmpty refuses flags that are given and say nothing: most likely, a variable of a
// script is not set, and the default is not what is meant.
func notEmpty(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f != nil && f.Changed && (f.Value.String() == "" || f.Value.String() == "[]") {
			return usagef("--%s is empty", name)
		}
	}
	return nil
}

// noArgs is for commands that take none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if f := c.Flags().Lookup("watch"); f != nil && f.Changed {
		if _, err := time.ParseDuration(args[0]); err == nil {
			hint = ": write --watch=" + args[0]
		}
	}
	return fmt.Errorf("unexpected argument %q%s", args[0], hint)
}

func (o *options) version() string {
	if o.host.Version != "" {
		return o.host.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// group is a command that only has subcommands.
func group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			var names []string
			for _, s := range c.Commands() {
				names = append(names, s.Name())
			}
			return usagef("unknown command %q%s", args[0], suggest.DidYouMean(args[0], names))
		},
	}
	c.AddCommand(subcommands...)
	return c
}
