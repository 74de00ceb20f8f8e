package notify_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/notify"
)

func TestParams(t *testing.T) {
	t.Parallel()
	r := winchester.NewRegistry()
	if err := notify.Register(r); err != nil {
		t.Fatal(err)
	}
	if err := notify.Register(r); err == nil {
		t.Error("registered twice without an error")
	}
	type params = map[string]any
	with := func(extra params) params {
		p := params{"exchange": "e", "queue_name": "q", "env_keys": []any{"n"}}
		for k, v := range extra {
			if p[k] = v; v == nil {
				delete(p, k)
			}
		}
		return p
	}
	for _, c := range []struct {
		params params
		fault  string // "" for none
	}{
		// As a pipelines.yaml of the original has it.
		{params{"host": "h", "user": "u", "password": "p", "port": 5672, "vhost": "/", "library": "librabbitmq", "exchange": "e", "exchange_type": "topic", "queue_name": "monitor.info", "env_keys": []any{"a", "b"}}, ""},
		{with(params{"url": "amqps://u:p@h/v", "ssl_server_name": "x", "event_types": "a.*", "env_keys": nil, "timeout": 2.5}), ""},
		{with(params{"event_types": []any{"a", "!b"}, "timeout": "1m", "declare": false, "mandatory": false, "durable": false, "arguments": params{"x-max-length": 5}}), ""},
		{with(params{"queue_name": nil, "routing_key": "k"}), ""},
		{nil, "exchange: is missing"},
		{nil, "queue_name: is missing"},
		{nil, "env_keys: is missing"},
		{with(params{"exchange_type": "fan"}), `unknown type "fan"`},
		{with(params{"exchange_type": "fanuot"}), `(did you mean "fanout"?)`},
		{with(params{"url": "amqp://h/", "host": "h"}), "url: says it all"},
		{with(params{"url": "http://u:hush@h/"}), `url: a URL of scheme "http"`},
		{with(params{"url": "amqp://u:hush%zz@h/"}), "url: the URL cannot be read"},
		{with(params{"host": "amqp://u:hush@h/"}), "host: "},
		{with(params{"port": 70000}), "port 70000"},
		{with(params{"port": "5672"}), "port: expected int, found string"},
		{with(params{"ssl_ca_file": "x.pem"}), "no use without TLS"},
		{with(params{"ssl": true, "ssl_ca_file": "missing.pem"}), "ssl_ca_file: open missing.pem"},
		{with(params{"env_keys": []any{"a", "a"}}), "listed twice"},
		{with(params{"event_types": []any{""}}), "empty pattern"},
		{with(params{"timeout": "soon"}), "expected a number of seconds"},
		{with(params{"timeout": -1}), "not fewer than none"},
		{with(params{"exchnge": "e"}), `there is no such parameter (did you mean "exchange"?)`},
		{with(params{"queue_name": strings.Repeat("q", 256)}), "256 bytes"},
	} {
		_, err := r.Factory(notify.Name, c.params)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%v: error is %v, want %q", c.params, err, c.fault)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%v has the password in it", err)
		}
		if faults := (winchester.Faults)(nil); err != nil && !errors.As(err, &faults) {
			t.Errorf("%v does not say which parameter it is", err)
		}
	}
}

// TestWrongValues: what is no list of notifications fails for good, before
// anything is published.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]string{
		"text": "found string", 5: "found int",
	} {
		env := newEnv()
		env.Values["n"] = value
		err := run(t, notify.Params{URL: "amqp://127.0.0.1:1/", Exchange: "e", QueueName: "q", EnvKeys: []string{"n"}}, nil, env)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `env key "n"`) {
			t.Errorf("%v: %v", value, err)
		}
	}
	for _, list := range [][]any{{"text"}, {[]any{}}, {func() {}}, {map[string]any{}, 7}} {
		env := newEnv()
		env.Values["n"] = list
		if err := run(t, notify.Params{URL: "amqp://127.0.0.1:1/", Exchange: "e", QueueName: "q", EnvKeys: []string{"n"}}, nil, env); err == nil {
			t.Errorf("%v passes for notifications", list)
		}
	}
	if _, err := notify.New(notify.Params{}); err == nil {
		t.Error("a handler without parameters")
	}
	// Nothing to say needs no broker.
	if err := run(t, notify.Params{URL: "amqp://127.0.0.1:1/", Exchange: "e", QueueName: "q", EnvKeys: []string{"n"}}, nil, newEnv()); err != nil {
		t.Error(err)
	}
}
