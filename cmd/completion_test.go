package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the shells complete with: the binary is asked as their scripts ask it.
func TestCompletion(t *testing.T) {
	t.Parallel()
	dir := files(t, "http://127.0.0.1:1/")
	const noFiles, filesToo, byExtension = ":4", ":0", ":8"
	for typed, want := range map[string]string{
		"streams list --state ret":         "retry_fire retry_expire " + noFiles,
		"streams list --name ":             "order " + noFiles,
		"streams reset --name ":            "order " + noFiles,
		"simulate --trigger ":              "order " + noFiles,
		"-c none.yaml simulate --trigger ": noFiles,
		"add ":                             filesToo,
		"simulate ":                        filesToo,
		"distill ":                         filesToo,
		"-c ":                              "yaml yml json " + byExtension,
		"distill -d ":                      "yaml yml json " + byExtension,
		"db upgrade h":                     "head base +1 -1 " + noFiles,
		"streams show ":                    noFiles,
		"check ":                           noFiles,
		"--log-level ":                     "debug info warning error critical " + noFiles,
	} {
		args := strings.Split("__complete "+typed, " ")
		out, _, code := runIn(t, dir, args...)
		var got []string
		for line := range strings.Lines(out) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, name)
		}
		// Some shells filter by what is typed, for others it is filtered here.
		if prefix := args[len(args)-1]; prefix == "ret" && len(got) > 3 {
			kept := got[:0]
			for _, name := range got {
				if strings.HasPrefix(name, prefix) || strings.HasPrefix(name, ":") {
					kept = append(kept, name)
				}
			}
			got = kept
		}
		if code != 0 || strings.Join(got, " ") != want {
			t.Errorf("%q: exit code %d, %q, want %q", typed, code, got, want)
		}
	}
}

// The scripts work in the shells that are there.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	dir := files(t, "http://127.0.0.1:1/")
	for shell, script := range map[string]string{
		// What bash-completion has is not needed to be loaded; here it stands in for.
		"bash": `_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur="${words[cword]}"; prev="${words[cword-1]}"; }
			source <(winchester completion bash)
			COMP_WORDS=(winchester streams list --state retry_f) COMP_CWORD=4 COMP_LINE="${COMP_WORDS[*]}" COMP_TYPE=9
			COMP_POINT=${#COMP_LINE}
			$(complete -p winchester | sed 's/.*-F \([^ ]*\).*/\1/'); echo "${COMPREPLY[@]}"`,
		"fish": `winchester completion fish | source; complete -C "winchester streams list --state retry_f"`,
		"zsh":  `autoload -U compinit; compinit -u -D; source <(winchester completion zsh); [ "$_comps[winchester]" = _winchester ] && eval "$(typeset -f _winchester)" && winchester __complete streams list --state retry_f 2>/dev/null | grep retry_fire`,
		"pwsh": `winchester completion powershell | Out-String | Invoke-Expression; (TabExpansion2 'winchester streams list --state retry_f' 41).CompletionMatches.CompletionText`,
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("there is no " + shell)
			}
			c := exec.Command(path, "-c", script)
			c.Dir = dir
			c.Env = append(os.Environ(), "PATH="+binaryDir+string(filepath.ListSeparator)+os.Getenv("PATH"), "HOME="+t.TempDir())
			if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "retry_fire") || strings.Contains(string(out), "retry_expire") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
