package distiller

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// Definitions say which notifications become events and with which traits:
// what an event_definitions.yaml holds. They are immutable and safe for
// concurrent use.
type Definitions struct {
	list     []*definition // in the order of the file; the last that matches applies
	defaults formatTraits
	outline  *outline // of all paths
}

func newDefinitions() *Definitions {
	out := &Definitions{outline: newOutline()}
	for f, traits := range defaultTraits {
		for _, t := range traits {
			p, err := compilePath(out.outline, t.paths...)
			if err != nil {
				panic(err)
			}
			out.defaults[f] = append(out.defaults[f], namedTrait{t.name, &trait{path: p}})
		}
	}
	return out
}

// definition is what is made of one kind of notification.
type definition struct {
	types    glob.Set
	becomes  rename
	defaults formatTraits // those that it does not replace
	traits   []namedTrait
}

// formatTraits are the default traits that notifications of each format have.
type formatTraits [formats][]namedTrait

// without leaves out what a definition has traits of its own for.
func (f formatTraits) without(own map[string]bool) formatTraits {
	for i, traits := range f {
		if slices.ContainsFunc(traits, func(t namedTrait) bool { return own[t.name] }) {
			f[i] = slices.DeleteFunc(slices.Clone(traits), func(t namedTrait) bool { return own[t.name] })
		}
	}
	return f
}

type namedTrait struct {
	name string
	*trait
}

// LoadFile reads definitions from a file: see Load.
func LoadFile(file string, plugins *Plugins) (*Definitions, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, yamlx.MaxSize+1))
	if err != nil {
		return nil, err
	}
	return Load(file, data, plugins)
}

// Load reads definitions from YAML: docs/event-definitions.md has the format.
// file is the name for errors. plugins are those that traits may name; nil
// means NewPlugins.
//
// All faults of a file are reported together, one a line with its position;
// the error is a winchester.ErrDefinition. Whatever the file is, it takes no
// more than about a second and a hundred megabytes to say so: it may have
// 1 MiB and a hundred levels, and what aliases and merges make of it is
// bounded too.
func Load(file string, data []byte, plugins *Plugins) (*Definitions, error) {
	return LoadSources(plugins, Source{File: file, Data: data})
}

// Source is a file of definitions, or one that comes with the package: see
// Builtin.
type Source struct {
	File    string // its name, for errors
	Data    []byte // YAML
	plugins *Plugins
}

// LoadSources is Load for several files that make one list: what a later one
// says of an event type counts before what an earlier one says.
func LoadSources(plugins *Plugins, sources ...Source) (*Definitions, error) {
	if plugins == nil {
		plugins = NewPlugins()
	}
	out := newDefinitions()
	var faults yamlx.Faults
	for _, s := range sources {
		d := yamlx.NewDecoder(s.File)
		l := loader{plugins: plugins, out: out, traits: map[*yamlx.Node]*trait{}}
		if s.plugins != nil { // a host may have another plugin of the same name
			l.plugins = s.plugins
		}
		for _, v := range d.Parse(s.Data).Items() {
			out.list = append(out.list, l.definition(v))
		}
		if found := (yamlx.Faults)(nil); errors.As(d.Err(), &found) {
			faults = append(faults, found...)
		}
	}
	if len(faults) > 0 {
		return nil, &definitionError{faults}
	}
	return out, nil
}

// loader decodes one file. A trait that is merged into many definitions is
// compiled once, and its faults are reported once.
type loader struct {
	plugins *Plugins
	out     *Definitions
	traits  map[*yamlx.Node]*trait
}

func (l *loader) definition(v yamlx.Value) *definition {
	m := v.Map("event_type", "rename", "traits")
	types := m.Require("event_type").Texts()
	out := &definition{types: glob.NewSet(types)}
	if r := m.Get("rename"); r.Exists() {
		out.becomes = l.rename(types, r)
	}
	own := map[string]bool{}
	traits := m.Require("traits")
	for name := range traits.Entries() {
		own[name] = true
	}
	out.defaults = l.out.defaults.without(own)
	for name, tv := range traits.Entries() {
		out.traits = append(out.traits, namedTrait{name, l.trait(tv)})
	}
	return out
}

func (l *loader) rename(types []string, v yamlx.Value) rename {
	to := v.Text()
	if _, isText := v.Node().Value.(string); !isText {
		return rename{} // Text has said so
	}
	out, err := newRename(types, to)
	if err != nil {
		v.Faultf("%v", err)
	}
	return out
}

func (l *loader) trait(v yamlx.Value) *trait {
	if t, ok := l.traits[v.Node()]; ok {
		return t
	}
	out := &trait{}
	l.traits[v.Node()] = out
	if !v.Exists() {
		v.Faultf("expected a map with fields, found nothing")
		return out
	}
	m := v.Map("fields", "type", "plugin")
	if t := m.Get("type"); t.Exists() {
		out.typ = parseType(t.OneOf(typeNames...))
	}
	out.path = l.path(m.Require("fields"))
	if p := m.Get("plugin"); p.Exists() {
		out.plugin = l.plugin(p)
	}
	return out
}

// path compiles one field path or a list of them.
func (l *loader) path(v yamlx.Value) *path {
	out := &path{}
	one := func(v yamlx.Value) {
		source := v.Text()
		if _, isText := v.Node().Value.(string); !isText {
			return // Text has said so
		}
		tree, err := parsePath(source)
		if err != nil {
			v.FaultAtf(err.offset, "in the field path %q: %s", shorten(source), err.message)
			return
		}
		out.add(l.out.outline, source, tree)
	}
	switch {
	case !v.Exists():
	case v.Node().Kind == yamlx.List:
		if len(v.Node().Items) == 0 {
			v.Faultf("expected at least one field path")
		}
		for _, item := range v.Items() {
			if !item.Exists() {
				item.Faultf("expected a field path, found nothing")
				continue
			}
			one(item)
		}
	default:
		one(v)
	}
	return out
}

func (l *loader) plugin(v yamlx.Value) TraitPlugin {
	name, at, parameters := "", v, map[string]any{}
	if v.Node().Kind == yamlx.Map {
		m := v.Map("name", "parameters")
		at = m.Require("name")
		name = at.Text()
		if p := m.Get("parameters"); p.Exists() {
			for key, value := range p.Entries() {
				parameters[key] = value.Any()
			}
		}
	} else {
		name = v.Text()
	}
	if name == "" {
		return nil // missing, or no text: reported
	}
	factory, ok := l.plugins.Factory(name)
	if !ok {
		names := l.plugins.Names()
		at.Faultf("there is no plugin %q%s, only %s", shorten(name), suggest.DidYouMean(name, names), strings.Join(names, ", "))
		return nil
	}
	plugin, err := newPlugin(factory, parameters)
	if err != nil {
		v.Faultf("plugin %s: %s", name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return plugin
}

// newPlugin runs a stranger's code: what it panics with is its error.
func newPlugin(factory PluginFactory, parameters map[string]any) (p TraitPlugin, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	if p, err = factory(parameters); err == nil && p == nil {
		err = fmt.Errorf("it gave no plugin")
	}
	return p, err
}
