package cmd

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command has help with an example, and is in the manual.
func TestHelp(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	root := newRoot(&options{host: Options{Name: "winchester"}})
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() || c.Name() == "help" {
			return
		}
		if c.Short == "" || !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if !strings.Contains(string(manual), "winchester "+c.Parent().Name()+" ") && !strings.Contains(string(manual), c.CommandPath()) {
			t.Errorf("%s is not in the manual", c.CommandPath())
		}
	}
	walk(root)
}
