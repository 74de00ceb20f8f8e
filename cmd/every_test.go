package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// need is what a command needs to do its work.
type need int

const (
	needConfig   need = 1 << iota // winchester.yaml
	needRules                     // and the files that it names
	needDatabase                  // that is up to date
	needSchema                    // a database, in whatever state
	goesOn                        // until it is told to stop
)

// everyCommand has each command: how it does its work, and what it needs. missing is
// how it asks for what is not there, with the exit code.
var everyCommand = map[string]struct {
	args    string
	needs   need
	missing string
	code    int
}{
	"db upgrade":     {"", needConfig | needSchema, "db upgrade 17", 2},
	"db downgrade":   {"--sql", needConfig | needSchema, "db downgrade 17", 2},
	"db current":     {"", needConfig | needSchema, "", 0},
	"db history":     {"", needConfig | needSchema, "db history -r 17:18", 2},
	"db stamp":       {"head", needConfig | needSchema, "db stamp nothing", 2},
	"check":          {"", needConfig | needRules, "check -c none.yaml", 2},
	"add":            {"--events events.jsonl", needConfig | needRules | needDatabase, "add none.jsonl", 1},
	"worker":         {"", needConfig | needRules | needDatabase | goesOn, "worker --log-level loud", 2},
	"consume":        {"", needConfig | needRules | needDatabase | goesOn, "consume", 2},
	"streams list":   {"", needConfig | needDatabase, "streams list --state none", 2},
	"streams show":   {"1", needConfig | needDatabase, "streams show 99", 4},
	"streams reset":  {"--failed", needConfig | needDatabase, "streams reset 99", 4},
	"streams delete": {"--yes 1", needConfig | needDatabase, "streams delete --yes 99", 4},
	"streams count":  {"", needConfig | needDatabase, "streams count --mark x", 2},
	"events list":    {"", needConfig | needDatabase, "events list --from soon", 2},
	"events show":    {"1", needConfig | needDatabase, "events show none", 4},
	"events count":   {"", needConfig | needDatabase, "events count --traits none", 2},
	"explain stream": {"1", needConfig | needRules | needDatabase, "explain stream 99", 4},
	"explain event":  {"1", needConfig | needRules | needDatabase, "explain event none", 4},
	"distill":        {"--definitions builtin:nova notifications.jsonl", 0, "distill -d builtin:nova none.jsonl", 1},
	"simulate":       {"--events events.jsonl", needConfig | needRules, "simulate --events none.jsonl", 1},
	"timex":          {"day", 0, "timex $none", 2},
	"clock show":     {"", needConfig | needDatabase, "", 0},
	"clock set":      {"-c replay.yaml 2026-05-02", needConfig | needDatabase, "clock set -c replay.yaml soon", 2},
	"clock finish":   {"-c replay.yaml", needConfig | needDatabase, "", 0},
	"clock end":      {"", needConfig | needDatabase, "", 0},

	"completion bash":       {"", 0, "", 0},
	"completion zsh":        {"", 0, "", 0},
	"completion fish":       {"", 0, "", 0},
	"completion powershell": {"", 0, "", 0},
}

// Every command does its work, and says what is wrong, with the exit code for that,
// if it cannot.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	var have []string
	for name := range everyCommand {
		have = append(have, name)
	}
	slices.Sort(have)
	if known := leaves(t, nil); !slices.Equal(have, known) {
		t.Fatalf("the commands are\n%q\nand tested are\n%q", known, have)
	}
	for name, c := range everyCommand {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := files(t, "http://127.0.0.1:1/")
			write(t, filepath.Join(dir, "notifications.jsonl"), "{}\n")
			write(t, filepath.Join(dir, "garbage.yaml"), "database: [\n")
			write(t, filepath.Join(dir, "wrong.yaml"), "database: {url: sqlite:///w.db}\ntrigger_definitions: wrong-triggers.yaml\n")
			write(t, filepath.Join(dir, "wrong-triggers.yaml"), "- nam: x\n")
			expect := func(code int, stderr string, args ...string) {
				t.Helper()
				out, errs, got := runIn(t, dir, args...)
				if got != code || !regexp.MustCompile("(?m)"+stderr).MatchString(errs) {
					t.Errorf("%v: exit code %d, want %d and %s\n%s%s", args, got, code, stderr, out, errs)
				}
				if code != 0 && code != 3 && out != "" && args[0] != "check" && args[0] != "add" {
					t.Errorf("%v prints beside its error\n%s", args, out)
				}
			}
			call := append(strings.Fields(name), strings.Fields(c.args)...)
			with := func(flags ...string) []string { return append(slices.Clone(call), flags...) }

			if name != "distill" && c.needs&goesOn == 0 {
				expect(0, "^$", call...)
			}
			if !strings.HasPrefix(name, "completion") { // cobra's own
				expect(2, "^winchester: unknown flag: --nonsense\nwinchester: see winchester "+name+" --help$", with("--nonsense")...)
				expect(2, `^winchester: --log-level: .*unknown log level "loud"`, with("--log-level", "loud")...)
			}
			out, _, code := runIn(t, dir, append(strings.Fields(name), "--help")...)
			if code != 0 || !strings.Contains(out, "Usage:\n  winchester "+name) {
				t.Errorf("--help: exit code %d\n%s", code, out)
			}
			if c.missing != "" {
				args := strings.Fields(c.missing)
				expect(c.code, "^winchester: .*(none|nothing|soon|99|17|no such|loud|consumers.queues|mark)", args...)
			}
			if c.needs&needConfig != 0 {
				expect(2, "^winchester: .*none.yaml: no such file or directory$", with("-c", "none.yaml")...)
				expect(2, "^winchester: .*not a regular file$", with("-c", ".")...)
				if name != "check" {
					expect(2, "^winchester: garbage.yaml:", with("-c", "garbage.yaml")...)
					expect(2, `^winchester: .*oracle.*not supported|^winchester: .*unsupported database`, with("--database", "oracle://u:hunter2@h/d")...)
				}
				if empty := t.TempDir(); !slices.Contains(call, "-c") {
					dir, empty = empty, dir
					write(t, filepath.Join(dir, "events.jsonl"), "")
					expect(2, "^winchester: there is no winchester.yaml here; name the configuration with --config$", call...)
					dir = empty
				}
			}
			if c.needs&needRules != 0 && name != "check" {
				expect(2, "^winchester: wrong-triggers.yaml:1:", with("-c", "wrong.yaml")...)
			}
			if c.needs&(needDatabase|needSchema) != 0 && name != "consume" {
				expect(1, "^winchester: .*connection refused", with("--database", "postgres://u:hunter2@127.0.0.1:1/d")...)
			}
			if c.needs&needDatabase != 0 && name != "consume" {
				expect(1, "^winchester: there is no such database: ", with("--database", "sqlite:///none.db")...)
				expect(0, "^$", "db", "downgrade", "base", "--yes")
				expect(1, "^winchester: the database's schema is not up to date\nwinchester: bring it there with: winchester db upgrade$", call...)
			}
			if _, err := os.Stat("/dev/full"); err == nil && c.needs&goesOn == 0 && name != "distill" {
				dir = files(t, "http://127.0.0.1:1/")
				full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer full.Close()
				sh := exec.Command(binary, call...)
				sh.Dir, sh.Stdout = dir, full
				if err := sh.Run(); sh.ProcessState.ExitCode() != 1 {
					t.Errorf("the disk is full, and the exit code is %d (%v)", sh.ProcessState.ExitCode(), err)
				}
			}
		})
	}
}

// leaves are the commands that help knows of.
func leaves(t *testing.T, path []string) (out []string) {
	t.Helper()
	help, _, code := runIn(t, t.TempDir(), append(slices.Clone(path), "--help")...)
	if code != 0 {
		t.Fatalf("%v --help: exit code %d", path, code)
	}
	_, list, group := strings.Cut(help, "Available Commands:\n")
	if !group {
		return []string{strings.Join(path, " ")}
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		if name := strings.Fields(line)[0]; name != "help" {
			out = append(out, leaves(t, append(slices.Clone(path), name))...)
		}
	}
	slices.Sort(out)
	return out
}
