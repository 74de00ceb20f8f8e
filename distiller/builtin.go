package distiller

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed71495667/winchester/internal/suggest"
)

//go:embed definitions/*.yaml
var definitionFiles embed.FS

// builtins are the sets of definitions that come with the package, and the
// files that they are made of.
var builtins = map[string][]string{
	"nova":      {"nova"},
	"neutron":   {"neutron"},
	"cinder":    {"cinder"},
	"glance":    {"glance"},
	"keystone":  {"keystone"},
	"openstack": {"cinder", "glance", "keystone", "neutron", "nova"},
}

// BuiltinNames lists the sets of definitions that come with the package,
// sorted.
func BuiltinNames() []string { return slices.Sorted(maps.Keys(builtins)) }

// Builtin returns a set of definitions that comes with the package, for
// LoadSources: cinder, glance, keystone, neutron or nova, or all of these, which
// is openstack. docs/event-definitions.md says what they make of what.
func Builtin(name string) ([]Source, error) {
	files, ok := builtins[name]
	if !ok {
		names := BuiltinNames()
		return nil, fmt.Errorf("there are no built-in definitions %q%s, only %s", shorten(name), suggest.DidYouMean(name, names), strings.Join(names, ", "))
	}
	out := make([]Source, len(files))
	for i, file := range files {
		data, err := definitionFiles.ReadFile("definitions/" + file + ".yaml")
		if err != nil {
			return nil, err
		}
		out[i] = Source{File: "builtin:" + file, Data: data, plugins: NewPlugins()}
	}
	return out, nil
}
