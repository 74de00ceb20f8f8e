package distiller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/seed71495667/winchester/internal/suggest"
)

// Match is a value that a trait's fields led to: never null.
type Match struct {
	// Path says where it is, in the dotted form of jsonpath_rw:
	// "payload.thing.bar", and "payload.list.[0]" for an item.
	Path string
	// Value is a string, an int64, a float64, a bool, a []any or a
	// map[string]any; an integer beyond 64 bits is a json.Number.
	Value any
}

// TraitPlugin makes a trait's value of what its fields led to.
type TraitPlugin interface {
	// Value is called for each notification that the definition applies to,
	// also if the fields led nowhere and there are no matches, so that a plugin
	// can supply a default. nil leaves the trait out. Any other value is
	// converted to the trait's type: a string, an int, an int64, a uint64, a
	// float64, a bool, a time.Time, a json.Number, a []any or a map[string]any.
	// An error refuses the whole notification, as does a panic.
	//
	// It is called from many goroutines at once, and must not keep the matches.
	Value(matches []Match) (any, error)
}

// TraitPluginFunc is a TraitPlugin without parameters.
type TraitPluginFunc func(matches []Match) (any, error)

// Value calls the function.
func (f TraitPluginFunc) Value(matches []Match) (any, error) { return f(matches) }

// PluginFactory makes the plugin of one trait definition from the parameters
// given there, of the types string, int64, float64, bool, []any,
// map[string]any and nil. The map is empty, never nil, if there are none. An
// error is reported as a fault of the definition.
type PluginFactory func(parameters map[string]any) (TraitPlugin, error)

// Plugins is where definitions find their plugins by name. It is safe for
// concurrent use.
type Plugins struct {
	mu        sync.RWMutex
	factories map[string]PluginFactory
	own       map[string]bool // not one of the built-in ones
}

// NewPlugins returns a registry that has the built-in plugins: bitfield,
// split and sum.
func NewPlugins() *Plugins {
	return &Plugins{
		factories: map[string]PluginFactory{"split": newSplit, "bitfield": newBitfield, "sum": newSum},
		own:       map[string]bool{},
	}
}

// Register adds a plugin. It is an error to register a name twice; a built-in
// plugin may be replaced once.
func (p *Plugins) Register(name string, factory PluginFactory) error {
	switch {
	case name == "":
		return errors.New("distiller: a trait plugin needs a name")
	case factory == nil:
		return fmt.Errorf("distiller: trait plugin %q has no factory", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own[name] {
		return fmt.Errorf("distiller: trait plugin %q is registered already", name)
	}
	p.factories[name], p.own[name] = factory, true
	return nil
}

// MustRegister is Register for program start: it panics instead of returning
// an error.
func (p *Plugins) MustRegister(name string, factory PluginFactory) {
	if err := p.Register(name, factory); err != nil {
		panic(err)
	}
}

// Names returns the names of all plugins, sorted.
func (p *Plugins) Names() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Sorted(maps.Keys(p.factories))
}

// Factory returns the plugin of a name, say to register it under another one
// in other Plugins.
func (p *Plugins) Factory(name string) (factory PluginFactory, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	factory, ok = p.factories[name]
	return factory, ok
}

// callPlugin runs a stranger's code: what it panics with is its error.
func callPlugin(p TraitPlugin, matches []Match) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, fmt.Errorf("the plugin panicked: %v", r)
		}
	}()
	return p.Value(matches)
}

// misspelt finds parameters that are not known but look like one that is. Any
// other is ignored, as the original's plugins did.
func misspelt(parameters map[string]any, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if hint := suggest.DidYouMean(name, known); hint != "" && !slices.Contains(known, name) {
			return fmt.Errorf("unknown parameter %q%s", name, hint)
		}
	}
	return nil
}
