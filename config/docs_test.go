package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
)

var update = flag.Bool("update", false, "write the table of keys into docs/configuration.md")

const (
	tableBegin = "<!-- The table is made of config.Describe(): go test ./config -run TestKeyTable -update -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

func keyTable() string {
	var b strings.Builder
	b.WriteString("| key | type | default | |\n|---|---|---|---|\n")
	for _, item := range Describe() {
		def := item.Default
		switch {
		case item.Required:
			def = "required"
		case def != "" && !strings.Contains(def, " the ") && !strings.HasPrefix(def, "the "):
			def = "`" + def + "`"
		}
		help := strings.ReplaceAll(item.Help, "|", "\\|")
		if item.Ignored {
			help += " **Ignored, with a warning.**"
		}
		help = docLink.ReplaceAllString(help, "[$1.md]($1.md)")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", item.Key, item.Type, def, help)
	}
	return b.String()
}

var docLink = regexp.MustCompile(`docs/([a-z-]+)\.md`)

// The table in docs/configuration.md says what Describe says.
func TestKeyTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "configuration.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), tableBegin)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatal("there is no place for the table")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+tableBegin+keyTable()+tableEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != keyTable() {
		t.Error("the table is out of step: run go test ./config -run TestKeyTable -update")
	}
}

// Each key that can be given has a type and a help text, and each setting a
// key.
func TestDescribe(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, item := range Describe() {
		if item.Type == "" || item.Help == "" || seen[item.Key] {
			t.Errorf("%+v", item)
		}
		seen[item.Key] = true
	}
}

// What the guides show loads, and what they say of faults is what comes.
func TestGuides(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)<!-- (triggers|pipelines|winchester|event_definitions)(, faulty)? -->\n```yaml\n(.*?)```\n(?:\n```\n(.*?)\n```\n)?")
	for _, guide := range []string{"configuration.md", "triggers.md", "pipelines.md", "rabbitmq.md", "handlers.md", "usage.md"} {
		data, err := os.ReadFile(filepath.Join("..", "docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		blocks := block.FindAllStringSubmatch(string(data), -1)
		if n := strings.Count(string(data), "```yaml"); n != len(blocks) {
			t.Errorf("%s: %d of %d blocks of YAML say what they are", guide, len(blocks), n)
		}
		for _, b := range blocks {
			var err error
			switch b[1] {
			case "triggers":
				_, err = ParseTriggers("triggers.yaml", []byte(b[3]))
			case "pipelines":
				if _, err = ParsePipelines("pipelines.yaml", []byte(b[3])); err == nil { // then the handlers take their parameters, too
					opts := Options{Handlers: guideHandlers(), LookupEnv: env("RABBITMQ_URL", "amqp://rabbit.internal/", "ATOM_KEY", password)}
					_, err = LoadPipelines(filepath.Join(writeFiles(t, "pipelines.yaml", b[3]), "pipelines.yaml"), opts)
				}
			default:
				l := &loader{
					opts: Options{}, cfg: &Config{Settings: defaults()}, names: handlerNames{registry: guideHandlers()}, plugins: Options{}.traitPlugins(),
					values: map[string]yamlx.Value{}, given: map[string]bool{}, main: newSource("winchester.yaml", []byte(b[3]), env("DB_PASSWORD", "x", "RABBITMQ_PASSWORD", "x")),
				}
				l.readSettings()
				if faults := l.main.faults(); faults != nil {
					err = faults
				}
			}
			switch faulty := b[2] != ""; {
			case !faulty && err != nil:
				t.Errorf("%s: in\n%s%v", guide, b[3], err)
			case faulty && (err == nil || err.Error() != b[4]):
				t.Errorf("%s: in\n%sgot\n%v\nwant\n%s", guide, b[3], err, b[4])
			}
		}
	}
}

// guideHandlers are those that the guides speak of as a host's own.
func guideHandlers() *winchester.Registry {
	r := Handlers()
	for _, name := range []string{"charge", "our.billing:ChargeHandler"} {
		winchester.MustRegister(r, name, func(winchester.NoParams) (winchester.Handler, error) { return noHandler{}, nil })
	}
	winchester.MustRegister(r, "invoice", func(struct {
		Currency string `json:"currency"`
		Cents    int    `json:"cents"`
	}) (winchester.Handler, error) {
		return noHandler{}, nil
	})
	return r
}
