package check_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestIndependent: neither the checker nor what it goes by uses anything of the
// engine.
func TestIndependent(t *testing.T) {
	const module = "github.com/seed71495667/winchester"
	for _, dir := range []string{".", "../scenario"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range file.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil || strings.HasPrefix(path, module) && !strings.HasPrefix(path, module+"/internal/chaos/scenario") {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}
