package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/atompub"
	"github.com/seed71495667/winchester/handlers/notify"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// Handlers returns a registry of the ready-made handlers: logger, usage, notify
// and atompub. A host adds its own to it and hands it in as Options.Handlers.
func Handlers() *winchester.Registry {
	r := winchester.NewRegistry()
	for _, err := range []error{usage.Register(r), notify.Register(r), atompub.Register(r)} {
		if err != nil { // unreachable: the registry is new
			panic(err)
		}
	}
	return r
}

// pythonHandlers are the classes of the original, and the names under which the
// ready-made handlers that stand in for them are registered.
var pythonHandlers = map[string]string{
	"winchester.pipeline_handler:LoggingHandler":  winchester.LoggingHandlerName,
	"winchester.pipeline_handler:UsageHandler":    usage.Name,
	"winchester.pipeline_handler:NotabeneHandler": notify.Name,
	"winchester.pipeline_handler:AtomPubHandler":  atompub.Name,
}

// handlerNames knows what a pipeline may call a handler: by a name that
// pipeline_handlers gives, or by the one it is registered under.
type handlerNames struct {
	registry *winchester.Registry
	known    []string // all names that pipelines can use, sorted
	// given has what the names of pipeline_handlers stand for; "" where that
	// could not be found out, which has been reported.
	given map[string]string
}

// readPipelineHandlers reads the map of names to Python classes, or to names of
// registered handlers.
func readPipelineHandlers(v yamlx.Value, registry *winchester.Registry) handlerNames {
	names := handlerNames{registry: registry, given: map[string]string{}}
	for name, class := range v.Entries() {
		names.given[name] = ""
		text := class.Text()
		if text == "" {
			if !class.Exists() || class.Node().Value == "" {
				class.Faultf("expected the name of a registered handler, or a Python class that one stands in for, found nothing")
			}
			continue
		}
		if registered, err := names.resolveClass(text); err != nil {
			class.Faultf("%v", err)
		} else {
			names.given[name] = registered
		}
	}
	return names
}

// resolveClass returns the name under which what the text means is registered.
// A host may register a handler under its Python path: then an old file needs
// no change.
func (h *handlerNames) resolveClass(text string) (string, error) {
	known := h.registry.Names()
	if slices.Contains(known, text) {
		return text, nil
	}
	if name, ok := pythonHandlers[text]; ok {
		if slices.Contains(known, name) {
			return name, nil
		}
		return "", fmt.Errorf("%s is the Go handler %q here, which is not registered; registered are %s", text, name, list(known))
	}
	if strings.Contains(text, ":") {
		return "", fmt.Errorf("no Go handler stands in for the Python class %s%s: %s, or register it under that very name; registered are %s",
			short(text), suggest.DidYouMean(text, slices.Collect(maps.Keys(pythonHandlers))), howToRegister, list(known))
	}
	return "", fmt.Errorf("no handler %q is registered%s: %s; registered are %s",
		short(text), suggest.DidYouMean(text, known), howToRegister, list(known))
}

const howToRegister = `write it in Go, register it with winchester.Register, hand the registry in as Options.Handlers and use its name here`

// list writes names in one line, but not more than a reader would read.
func list(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// check resolves the handlers' names in pipelines to registered ones, and lets
// the handlers check their parameters.
func (h *handlerNames) check(s *source, pipelines []*pipeline) {
	h.known = append(h.registry.Names(), slices.Collect(maps.Keys(h.given))...)
	slices.Sort(h.known)
	h.known = slices.Compact(h.known)
	for _, p := range pipelines {
		for i := range p.handlers {
			h.checkUse(s, &p.handlers[i])
		}
	}
}

func (h *handlerNames) checkUse(s *source, use *handlerUse) {
	name := use.spec.Name
	if name == "" {
		return
	}
	if registered, given := h.given[name]; given {
		if name = registered; name == "" {
			return
		}
	} else if _, known := slices.BinarySearch(h.known, name); !known {
		use.name.Faultf("unknown handler %q%s: %s; known are %s", short(name), s.didYouMean(name, h.known),
			howToRegister, list(h.known))
		return
	}
	use.spec.Name = name
	if use.paramsFaulty {
		return
	}
	if _, err := h.registry.Factory(name, use.spec.Params); err != nil {
		use.reportParams(err)
	}
}

// reportParams reports what a handler says of its parameters, at the parameter
// in question where that can be told.
func (use *handlerUse) reportParams(err error) {
	at := use.params
	if !at.Exists() {
		at = use.name
	}
	var name string
	var faults winchester.Faults
	if errors.As(err, &faults) {
		name, _, _ = strings.Cut(faults[0].Field, ".")
	}
	if name != "" && use.params.Exists() {
		for key, v := range use.params.Entries() {
			if key == name {
				at = v
			}
		}
	}
	at.Faultf("%v", err)
}
