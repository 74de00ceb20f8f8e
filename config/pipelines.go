package config

import (
	"fmt"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// ParsePipelines reads pipeline definitions: YAML, or JSON, that is a map of
// names to lists of handlers. See docs/pipelines.md for the form. file is only
// a name, for errors. The order is that of the file.
//
// Whether the handlers exist, and take these parameters, is found out by
// LoadPipelines, Load, or winchester.New. The environment is not looked at; see
// ParseTriggers.
//
// All faults are reported together, as Faults; there are no definitions then.
func ParsePipelines(file string, data []byte) ([]winchester.PipelineDefinition, error) {
	s := newSource(file, data, nil)
	return finished(s, pipelineDefinitions(readPipelines(s)))
}

// LoadPipelines reads a file of pipeline definitions, expands ${NAME} in its
// values, and checks that the handlers exist and take the parameters they are
// given. Of the options Handlers and LookupEnv matter.
func LoadPipelines(path string, opts Options) ([]winchester.PipelineDefinition, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	s := newSource(path, data, opts.lookupEnv())
	pipelines := readPipelines(s)
	(&handlerNames{registry: opts.handlers()}).check(s, pipelines)
	return finished(s, pipelineDefinitions(pipelines))
}

// pipeline is a definition, and where in the file its parts stand.
type pipeline struct {
	source   *source
	at       yamlx.Value
	name     string
	handlers []handlerUse
}

// handlerUse is a handler in a pipeline. Its name is "" if it could not be
// read, which has been reported.
type handlerUse struct {
	spec             winchester.HandlerSpec
	at, name, params yamlx.Value
	paramsFaulty     bool
}

func pipelineDefinitions(pipelines []*pipeline) []winchester.PipelineDefinition {
	out := make([]winchester.PipelineDefinition, len(pipelines))
	for i, p := range pipelines {
		out[i].Name = p.name
		for _, h := range p.handlers {
			out[i].Handlers = append(out[i].Handlers, h.spec)
		}
	}
	return out
}

func readPipelines(s *source) []*pipeline {
	var out []*pipeline
	for name, v := range s.top.Entries() {
		p := &pipeline{source: s, at: v, name: name}
		switch {
		case name == "":
			v.Faultf("a pipeline needs a name")
		case missing(v):
			v.Expected("a list of handlers")
		}
		for _, item := range v.Items() {
			p.handlers = append(p.handlers, readHandlerUse(item))
		}
		out = append(out, p)
	}
	return out
}

// readHandlerUse reads the name of a handler, or a map with its parameters.
func readHandlerUse(v yamlx.Value) handlerUse {
	h := handlerUse{at: v, name: v}
	switch v.Node().Kind {
	case yamlx.Scalar:
		h.spec.Name = v.Text()
		if v.Node().Value == "" {
			v.Faultf("expected the name of a handler, found nothing")
		}
	case yamlx.Map:
		m := v.Map("name", "params")
		h.name = m.Require("name")
		h.params = m.Get("params")
		h.spec.Name = h.name.Text()
		if h.name.Exists() && h.name.Node().Value == "" {
			h.name.Faultf("expected the name of a handler, found nothing")
		}
		if h.params.Exists() && h.params.Node().Kind != yamlx.Map {
			h.params.Faultf("expected a map of parameters") // what is there instead may be a secret
			h.paramsFaulty = true
		} else if h.params.Exists() {
			h.spec.Params, _ = h.params.Any().(map[string]any)
		}
	default:
		v.Expected("the name of a handler, or a map of its name and params")
	}
	return h
}
