package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/handlers/notify"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

func loadConsumers(t *testing.T, text string) (*Config, error) {
	t.Helper()
	dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite://'}\n"+text, "ca.pem", "no certificate")
	return Load(filepath.Join(dir, "winchester.yaml"), Options{LookupEnv: env("PASSWORD", password)})
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	c, err := loadConsumers(t, `
catch_all_notifications: true
statistics_period: 5
rabbit_broker:
  host: rabbit.internal
  port: 5673
  user: nova
  password: ${PASSWORD}
  vhost: cells/1
  ssl: true
  reconnect_delay: 2
  max_wait: 1m
  poll_delay: 1
  max_connection_age: 14400
consumers:
  batch_wait: 0.05
  dead_letter_exchange: dead
  queues:
    monitor.info:
      apps: winchester.yagi_handler.WinchesterHandler
      exchange: nova
      exchange_type: topic
      routing_key: [monitor.info, monitor.error]
      durable: true
      auto_delete: true
      exchange_durable: false
      exchange_auto_delete: false
      max_messages: 100
      prefetch: 150
      filters: compute.*
      exclude_filters: ["*.start"]
      discard_filters: ["*.update"]
      arguments: {x-queue-type: quorum, x-max-length: 5}
      exclusive: true
      declare: false
    monitor.error:
`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ConsumerConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := amqp.Config{
		URL: "amqps://nova:" + password + "@rabbit.internal:5673/cells%2F1", BatchWait: 50 * time.Millisecond,
		ReconnectDelay: 2 * time.Second, MaxWait: time.Minute, StatisticsPeriod: 5 * time.Second,
		DeadLetters: amqp.DeadLetters{Exchange: "dead"},
		Queues: []amqp.Queue{{
			Name: "monitor.info", Exchange: "nova", ExchangeType: "topic", RoutingKeys: []string{"monitor.info", "monitor.error"},
			ExchangeTransient: true, AutoDelete: true, MaxMessages: 100, Prefetch: 150, Exclusive: true, NoDeclare: true,
			Filters: []string{"compute.*"}, ExcludeFilters: []string{"*.start", "*.update"},
			Arguments: map[string]any{"x-queue-type": "quorum", "x-max-length": int64(5)},
		}, {Name: "monitor.error"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(c.Warnings) != 3 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if text := fmt.Sprintf("%+v %#v", c.Settings, c.Settings); strings.Contains(text, password) {
		t.Error("the settings show the password")
	}
	url, err := loadConsumers(t, "catch_all_notifications: true\nrabbit_broker: {url: 'amqps://u:${PASSWORD}@h/v', ssl_insecure: true}\nconsumers: {queues: {q: }, dead_letter_file: f}")
	if err != nil {
		t.Fatal(err)
	}
	if got, err = url.ConsumerConfig(nil); err != nil || got.URL != "amqps://u:"+password+"@h/v" || !got.TLS.InsecureSkipVerify || got.DeadLetters.File != "f" {
		t.Errorf("%+v, %v", got, err)
	}
	if text := fmt.Sprintf("%+v %#v %s", url.Settings, url.Settings, url.RabbitBroker.URL); strings.Contains(text, password) {
		t.Error("the settings show the password")
	}
	none, err := loadConsumers(t, "rabbit_broker: {host: h}")
	if err != nil || none.Consumes() || len(none.Warnings) != 1 {
		t.Fatalf("%v, %v", none.Warnings, err)
	}
	if _, err := none.ConsumerConfig(nil); !errors.Is(err, ErrNoConsumers) {
		t.Errorf("%v", err)
	}
}

func TestConsumerFaults(t *testing.T) {
	t.Parallel()
	const all = "catch_all_notifications: true\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":        {all + "consumers: {queues: {q: {exchnge: e}}}", `:3:26: consumers.queues.q: unknown key "exchnge" (did you mean "exchange"?)`},
		"unknown section":    {all + "rabbit_brokr: {}", `:3:1: unknown key "rabbit_brokr" (did you mean "rabbit_broker"?)`},
		"exchange type":      {all + "consumers: {queues: {a.b: {exchange_type: topik}}}", `:3:43: consumers.queues["a.b"].exchange_type: unknown type "topik" (did you mean "topic"?): expected topic, direct`},
		"routing key":        {all + "consumers: {queues: {q: {routing_key: k}}}", `:3:39: consumers.queues.q.routing_key: is of no use without an exchange`},
		"prefetch":           {all + "consumers: {queues: {q: {prefetch: 5, max_messages: 10}}}", `:3:36: consumers.queues.q.prefetch: 5 is less than max_messages, 10`},
		"max_messages":       {all + "consumers: {queues: {q: {max_messages: 0}}}", `:3:40: consumers.queues.q.max_messages: expected an integer from 1 to 65535, found 0`},
		"discard":            {all + "consumers: {queues: {q: {discard_filters: '!x'}}}", `:3:43: consumers.queues.q.discard_filters: expected patterns`},
		"arguments":          {all + "consumers: {queues: {q: {arguments: x}}}", `:3:37: consumers.queues.q.arguments: expected a map, found the text "x"`},
		"no queue":           {all + "consumers: {queues: {}}", `:3:21: consumers.queues: expected at least one queue`},
		"a list of queues":   {all + "consumers: {queues: [a]}", `:3:21: consumers.queues: expected a map, found a list`},
		"no distiller":       {"consumers: {queues: {q: }}", `consumers.queues: nothing would become of what is consumed: distiller_config is missing`},
		"circle":             {all + "consumers: {queues: {winchester.dead_letters: {durable: true}}}", `winchester.dead_letters gets the dead letters of this consumer: it would run in a circle`},
		"two places":         {all + "consumers: {queues: {q: }, dead_letter_file: f, dead_letter_exchange: e}", `consumers.dead_letter_file: dead letters go to a file or to an exchange, not to both`},
		"url and host":       {all + "rabbit_broker: {url: 'amqp://h/', host: h}", `:3:41: rabbit_broker.host: cannot be given beside url`},
		"url":                {all + "rabbit_broker: {url: 'http://u:${PASSWORD}@h/'}", `rabbit_broker.url: a URL of scheme "http" is not one of RabbitMQ: expected "amqp://`},
		"url is a list":      {all + "rabbit_broker: {url: ['${PASSWORD}']}", `rabbit_broker.url: expected the URL of a broker`},
		"host is a URL":      {all + "rabbit_broker: {host: 'amqp://u:${PASSWORD}@h/'}", `rabbit_broker.host: host: expected the name or address of a machine; a URL belongs in "url"`},
		"section is a URL":   {all + "rabbit_broker: amqp://u:hunter2@h/", `:3:16: rabbit_broker: expected a map of url, host`},
		"password is a list": {all + "rabbit_broker: {password: ['${PASSWORD}']}", `rabbit_broker.password: expected a password`},
		"unset variable":     {all + "rabbit_broker: {password: '${RABBIT_PASSWORD}'}", `the environment variable RABBIT_PASSWORD is not set`},
		"port":               {all + "rabbit_broker: {port: 70000}", `:3:23: rabbit_broker.port: expected an integer from 1 to 65535`},
		"no TLS":             {all + "rabbit_broker: {ssl_ca_file: ca.pem}", `rabbit_broker.ssl_ca_file: is of no use without TLS`},
		"no CA":              {all + "rabbit_broker: {ssl: true, ssl_ca_file: missing.pem}", `rabbit_broker.ssl_ca_file: there is no file`},
		"bad CA":             {all + "rabbit_broker: {ssl: true, ssl_ca_file: ca.pem}", `ca.pem: no PEM certificate in it`},
		"half a client":      {all + "rabbit_broker: {ssl: true, ssl_key_file: ca.pem}", `rabbit_broker.ssl_key_file: a client certificate needs both its file and that of its key`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := loadConsumers(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("more than one fault: %v", err)
			}
		})
	}
}

// A file is all that it takes to consume, store, run a pipeline and publish what
// comes of it.
func TestConsumeByFile(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	in, out, dead := b.Name("in"), b.Name("out"), b.Name("dead")
	dir := writeFiles(t, "winchester.yaml", `
database: {url: "sqlite:///${DIR}/w.db"}
trigger_definitions: t.yaml
pipeline_config: p.yaml
catch_all_notifications: true
pipeline_handlers: {notabene: "winchester.pipeline_handler:NotabeneHandler"}
rabbit_broker: {url: "${URL}"}
consumers: {queues: {"`+in+`": }, dead_letter_exchange: "${DEAD}"}
`, "t.yaml", `
- name: usage
  distinguished_by: []
  match_criteria: [{event_type: compute.instance.exists}]
  fire_criteria: [{event_type: compute.instance.exists}]
  expiration: $last + 1d
  fire_pipeline: report
`, "p.yaml", `
report:
  - usage
  - name: notabene
    params: {url: "${URL}", exchange: "${OUT}", queue_name: "${OUT}", event_types: "*.exists.*"}
`)
	clock := winchester.NewManualClock(time.Date(2026, 7, 21, 1, 0, 0, 0, time.UTC))
	c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{
		Clock: clock, Logger: slog.New(slog.DiscardHandler), LookupEnv: env("DIR", dir, "URL", testrabbit.URL(t), "OUT", out, "DEAD", dead),
	})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := c.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := c.Consumer(engine)
	if err != nil {
		t.Fatal(err)
	}
	if err := consumer.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := consumer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Publish("", in, `{"message_id": "6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01", "event_type": "compute.instance.exists", "publisher_id": "compute.host1", "timestamp": "2026-07-20 10:00:00.000000", "payload": {}}`)
	testrabbit.WaitFor(t, "the event", func() bool { return consumer.Stats().Stored == 1 })
	clock.Advance(time.Minute)
	if _, err := engine.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := b.Get(out); d.Type != "compute.instance.exists.verified" || !strings.Contains(string(d.Body), `"original_message_id":"6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01"`) {
		t.Errorf("%s: %s", d.Type, d.Body)
	}
	if err := consumer.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
	notify.Close()
}
