package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/yamlx"
	"github.com/seed71495667/winchester/store"
)

// Config is a configuration that was read and found to be in order.
type Config struct {
	Settings
	// File is winchester.yaml; the others are the files that it names, where
	// they were found, "" for those that it does not name.
	File, TriggerFile, PipelineFile string
	// DistillerFiles are the files of event definitions, where they were found,
	// and the names of built-in ones ("builtin:nova"), in order.
	DistillerFiles []string
	// Triggers and Pipelines are what the files define. Handlers in Pipelines
	// have the names under which they are registered.
	Triggers  []winchester.TriggerDefinition
	Pipelines []winchester.PipelineDefinition
	// Distiller turns notifications into events; nil if nothing is said of them.
	Distiller winchester.Distiller
	// Warnings tell what was accepted and has no effect.
	Warnings []Warning

	opts     Options
	handlers *winchester.Registry
	logging  bool // log_level or log_file is given
	// replay is the clock of a replay, once OpenClock has opened it.
	replay *atomic.Pointer[winchester.ReplayClock]
}

// loader reads a set of files that belong together.
type loader struct {
	opts    Options
	cfg     *Config
	main    *source
	sources []*source
	// triggers is the file of trigger definitions, nil for none.
	triggers *source
	// values has the settings that are there, by key, for faults.
	values map[string]yamlx.Value
	// given has required settings that the host has taken care of.
	given   map[string]bool
	names   handlerNames
	plugins *distiller.Plugins
	extra   Faults // of event definitions, which are not decoded here
	// distillerFiles are the names in distiller_config, with where they stand.
	distillerFiles []yamlx.Value
	// definitions are what they say, nil if they say nothing or are faulty.
	definitions *distiller.Definitions
}

// Load reads winchester.yaml and the files that it names, and checks them by
// themselves and against each other. It opens no database and changes nothing.
//
// A file that another one names is looked for in each directory of config_path
// in turn: relative to the directory of winchester.yaml, and then, as the
// original had it, to the working directory.
//
// If anything is wrong, the error is Faults with everything that is wrong in
// all files. A winchester.yaml that cannot be read gives the error of the
// operating system.
func Load(path string, opts Options) (*Config, error) {
	r, err := Check(path, opts)
	switch {
	case err != nil:
		return nil, err
	case len(r.Faults) > 0:
		return nil, r.Faults
	}
	return r.Config, nil
}

// Report is everything that Check has to say of a configuration.
type Report struct {
	Config   *Config // nil if there are faults
	Faults   Faults
	Warnings []Warning
}

// Check is Load for whoever wants the warnings as well where something is wrong.
// What is wrong with one thing keeps others from being looked at only where they
// cannot be understood without it. The error is that of the operating system, if
// winchester.yaml cannot be read.
func Check(path string, opts Options) (Report, error) {
	l, err := newLoader(path, opts)
	if err != nil {
		return Report{}, err
	}
	l.readDistiller()
	l.checkConsumers()
	triggers := l.readTriggers()
	pipelines, known := l.readPipelines()
	if known {
		l.checkPipelineNames(triggers, pipelines)
		l.checkUnused(triggers, pipelines)
	}
	l.checkTrim()
	l.crossChecker(pipelines, known).check(triggers)
	faults := l.finish()
	r := Report{Faults: faults, Warnings: l.cfg.Warnings}
	if len(faults) == 0 {
		l.cfg.Triggers = definitions(triggers)
		l.cfg.Pipelines = pipelineDefinitions(pipelines)
		r.Config = l.cfg
	}
	return r, nil
}

// LoadSettings reads winchester.yaml alone, and none of the files that it names:
// for a program that needs the database and no more, and must not fail because
// a rule is wrong. Its Config has no triggers, pipelines and distiller.
//
// It returns the errors of Load.
func LoadSettings(path string, opts Options) (*Config, error) {
	l, err := newLoader(path, opts)
	if err != nil {
		return nil, err
	}
	return l.settled()
}

// Default is LoadSettings for an empty file: opts say which database.
func Default(opts Options) (*Config, error) {
	return newLoaderOf("", nil, opts).settled()
}

// newLoader reads winchester.yaml.
func newLoader(path string, opts Options) (*loader, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return newLoaderOf(path, data, opts), nil
}

func newLoaderOf(path string, data []byte, opts Options) *loader {
	l := &loader{
		opts:    opts,
		cfg:     &Config{Settings: defaults(), File: path, opts: opts, replay: &atomic.Pointer[winchester.ReplayClock]{}},
		values:  map[string]yamlx.Value{},
		given:   map[string]bool{"database.url": opts.Store != nil || opts.Database != ""},
		names:   handlerNames{registry: opts.handlers()},
		plugins: opts.traitPlugins(),
	}
	l.main = l.parse(path, data)
	l.readSettings()
	if opts.Database != "" {
		l.cfg.Database.URL = Secret(opts.Database)
		if err := store.CheckURL(opts.Database); err != nil {
			l.extra = append(l.extra, Fault{Message: redact(strings.TrimPrefix(err.Error(), "store: "))})
		}
	}
	return l
}

// settled is the Config, or what is wrong.
func (l *loader) settled() (*Config, error) {
	if faults := l.finish(); len(faults) > 0 {
		return nil, faults
	}
	return l.cfg, nil
}

// finish returns everything that is wrong, or completes the Config.
func (l *loader) finish() Faults {
	var faults Faults
	for _, s := range l.sources {
		faults = append(faults, s.faults()...)
		l.cfg.Warnings = append(l.cfg.Warnings, s.sortedWarnings()...)
	}
	if faults = append(faults, l.extra...); len(faults) > 0 {
		return faults
	}
	l.cfg.handlers = l.names.registry
	_, level := l.values["log_level"]
	_, file := l.values["log_file"]
	if l.opts.LogLevel != nil {
		l.cfg.LogLevel, level = *l.opts.LogLevel, true
	}
	l.cfg.logging = level || file
	return nil
}

func (l *loader) parse(path string, data []byte) *source {
	s := newSource(path, data, l.opts.lookupEnv())
	l.sources = append(l.sources, s)
	return s
}

// find reads the file that a setting names. ok is false if it names none, or
// the file cannot be read, which is reported.
func (l *loader) find(key, name string) (path string, data []byte, ok bool) {
	if name == "" {
		return "", nil, false
	}
	return l.findAt(l.values[key], name)
}

// findAt is find for a name that stands there.
func (l *loader) findAt(v yamlx.Value, name string) (path string, data []byte, ok bool) {
	if strings.Contains(name, "://") {
		v.Faultf("expected the name of a file, found a URL")
		return "", nil, false
	}
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".ini" || ext == ".conf" {
		v.Faultf("%s cannot be read: files are YAML or JSON", short(name))
		return "", nil, false
	}
	candidates := l.candidates(name)
	for _, path := range candidates {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		data, err := readFile(path)
		if err != nil {
			v.Faultf("%v", err)
			return "", nil, false
		}
		return path, data, true
	}
	v.Faultf("there is no file %s", strings.Join(candidates, ", nor "))
	return "", nil, false
}

// candidates lists the places where a file may be, the first one first.
func (l *loader) candidates(name string) []string {
	if filepath.IsAbs(name) {
		return []string{name}
	}
	var out []string
	for _, dir := range l.cfg.ConfigPath {
		paths := []string{filepath.Join(dir, name)}
		if !filepath.IsAbs(dir) {
			paths = []string{filepath.Join(filepath.Dir(l.main.file), dir, name), paths[0]}
		}
		for _, path := range paths {
			if !slices.Contains(out, path) {
				out = append(out, path)
			}
		}
	}
	return out
}

func (l *loader) readTriggers() []*trigger {
	path, data, ok := l.find("trigger_definitions", l.cfg.TriggerDefinitions)
	if !ok {
		return nil
	}
	l.cfg.TriggerFile = path
	l.triggers = l.parse(path, data)
	return readTriggers(l.triggers)
}

// readPipelines also tells whether it is known which pipelines there are.
func (l *loader) readPipelines() (pipelines []*pipeline, known bool) {
	path, data, ok := l.find("pipeline_config", l.cfg.PipelineConfig)
	if !ok {
		_, named := l.values["pipeline_config"]
		return nil, !named && l.main.readable()
	}
	l.cfg.PipelineFile = path
	s := l.parse(path, data)
	pipelines = readPipelines(s)
	l.names.check(s, pipelines)
	return pipelines, s.readable()
}

// checkPipelineNames finds the triggers that name a pipeline which is not
// there.
func (l *loader) checkPipelineNames(triggers []*trigger, pipelines []*pipeline) {
	names := make([]string, len(pipelines))
	for i, p := range pipelines {
		names[i] = p.name
	}
	slices.Sort(names)
	for _, t := range triggers {
		for field, name := range map[string]string{"fire_pipeline": t.def.FirePipeline, "expire_pipeline": t.def.ExpirePipeline} {
			_, known := slices.BinarySearch(names, name)
			switch {
			case name == "" || known:
			case l.cfg.PipelineFile == "":
				t.fields[field].Faultf("there is no pipeline %q: %s has no pipeline_config", short(name), l.main.file)
			default:
				t.fields[field].Faultf("there is no pipeline %q%s in %s", short(name), t.source.didYouMean(name, names), l.cfg.PipelineFile)
			}
		}
	}
}
