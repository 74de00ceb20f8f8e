package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// pythonPlugins are the classes of the original, and the names of the built-in
// plugins that stand in for them.
var pythonPlugins = map[string]string{
	"stackdistiller.trait_plugins:SplitterTraitPlugin": "split",
	"stackdistiller.trait_plugins:BitfieldTraitPlugin": "bitfield",
	"winchester.trait_plugins:SplitterTraitPlugin":     "split",
	"winchester.trait_plugins:BitfieldTraitPlugin":     "bitfield",
}

const howToRegisterPlugin = `write it in Go, register it with distiller.Plugins, hand that in as Options.TraitPlugins and use its name here`

// readTraitPlugins adds the names that the file gives to plugins, in a copy of
// what the host has handed in.
func (l *loader) readTraitPlugins(v yamlx.Value) {
	known := l.plugins.Names()
	given := map[string]distiller.PluginFactory{}
	for name, class := range v.Entries() {
		text := class.Text()
		target, err := resolvePlugin(text, known)
		switch {
		case name == "":
			class.Faultf("a trait plugin needs a name")
		case text == "":
			if !class.Exists() || class.Node().Value == "" {
				class.Faultf("expected the name of a trait plugin, or a Python class that one stands in for, found nothing")
			}
		case err != nil:
			class.Faultf("%v", err)
		}
		if given[name], _ = l.plugins.Factory(target); given[name] == nil {
			// So that a definition that names it is not at fault as well.
			given[name] = func(map[string]any) (distiller.TraitPlugin, error) {
				return distiller.TraitPluginFunc(func([]distiller.Match) (any, error) { return nil, nil }), nil
			}
		}
	}
	plugins := distiller.NewPlugins()
	for _, name := range known {
		if given[name] == nil {
			given[name], _ = l.plugins.Factory(name)
		}
	}
	for name, factory := range given {
		_ = plugins.Register(name, factory) // "" is refused, and has been reported
	}
	l.plugins = plugins
}

// resolvePlugin returns the name under which what the text means is registered.
func resolvePlugin(text string, known []string) (string, error) {
	if slices.Contains(known, text) {
		return text, nil
	}
	if name, ok := pythonPlugins[text]; ok {
		return name, nil
	}
	if strings.Contains(text, ":") {
		return "", fmt.Errorf("no Go plugin stands in for the Python class %s%s: %s, or register it under that very name; registered are %s",
			short(text), suggest.DidYouMean(text, slices.Collect(maps.Keys(pythonPlugins))), howToRegisterPlugin, list(known))
	}
	return "", fmt.Errorf("no trait plugin %q is registered%s: %s; registered are %s",
		short(text), suggest.DidYouMean(text, known), howToRegisterPlugin, list(known))
}

// builtinPrefix is what the names of sets of event definitions begin with that
// package distiller has.
const builtinPrefix = "builtin:"

// readDistillerConfig reads the names of files, one or a list.
func (l *loader) readDistillerConfig(v yamlx.Value) {
	if l.cfg.DistillerConfig = v.Texts(); len(l.cfg.DistillerConfig) > maxDistillerFiles {
		v.Faultf("expected at most %d files, found %d", maxDistillerFiles, len(l.cfg.DistillerConfig))
		return
	}
	if v.Node().Kind != yamlx.List {
		l.distillerFiles = []yamlx.Value{v}
		return
	}
	for _, item := range v.Items() {
		l.distillerFiles = append(l.distillerFiles, item)
	}
}

// maxDistillerFiles bounds how much is read.
const maxDistillerFiles = 100

// distillerSources finds the event definitions. ok is false if any of them
// cannot be had, which is reported.
func (l *loader) distillerSources() (out []distiller.Source, ok bool) {
	ok = true
	for _, v := range l.distillerFiles {
		name, isText := v.Node().Value.(string)
		if !isText || name == "" {
			ok = false
			if isText {
				v.Faultf("expected the name of a file, or of a built-in set of definitions, found nothing")
			}
			continue // anything else has been reported
		}
		found, err := l.distillerSource(v, name)
		if err != nil {
			v.Faultf("%v", err)
		}
		ok = ok && len(found) > 0
		for _, s := range found {
			l.cfg.DistillerFiles = append(l.cfg.DistillerFiles, s.File)
		}
		out = append(out, found...)
	}
	return out, ok
}

// distillerSource gives what a name stands for; nothing without an error if a
// fault has been reported.
func (l *loader) distillerSource(v yamlx.Value, name string) ([]distiller.Source, error) {
	if set, ok := strings.CutPrefix(name, builtinPrefix); ok {
		return distiller.Builtin(set)
	}
	path, data, ok := l.findAt(v, name)
	if !ok {
		return nil, nil
	}
	return []distiller.Source{{File: path, Data: data}}, nil
}

// readDistiller builds the distiller, if the file says anything of
// notifications.
func (l *loader) readDistiller() {
	c := distiller.Config{CatchAll: l.cfg.CatchAllNotifications, Now: l.cfg.now}
	sources, ok := l.distillerSources()
	switch {
	case !ok:
		return
	case len(sources) > 0:
		var err error
		if c.Definitions, err = distiller.LoadSources(l.plugins, sources...); err != nil {
			l.extra.collect(l.main.file, err)
			return
		}
		l.definitions = c.Definitions
	case !c.CatchAll:
		return
	}
	d, err := distiller.New(c)
	if err != nil {
		l.extra.collect(l.main.file, err)
		return
	}
	l.cfg.Distiller = d
}
