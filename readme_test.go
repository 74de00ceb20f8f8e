package winchester_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeProgram: the program in the README is the one in examples, which
// is built and run.
func TestReadmeProgram(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("examples/unpaid/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```") {
		t.Error("README.md does not show examples/unpaid/main.go as it is")
	}
}
