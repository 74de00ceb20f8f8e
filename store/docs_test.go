package store

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentationNamesTheSchema: docs/storage.md knows every table, column
// and index.
func TestDocumentationNamesTheSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "storage.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := readMigrations(sqliteDialect{}.migrations(), newTables(Options{TablePrefix: defaultPrefix}))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, name := range regexp.MustCompile(`(?m)^CREATE (?:TABLE|(?:UNIQUE )?INDEX) (\S+)|^    ([a-z_]+) `).FindAllStringSubmatch(m.up, -1) {
			if name := name[1] + name[2]; !strings.Contains(string(text), name) {
				t.Errorf("docs/storage.md does not say what %s is", name)
			}
		}
	}
}
