package config

import (
	"log/slog"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
	"github.com/seed71495667/winchester/store"
	"github.com/seed71495667/winchester/timex"
)

// Settings is what winchester.yaml says, with defaults filled in. Describe and
// docs/configuration.md say what each means.
type Settings struct {
	ConfigPath              []string
	DistillerConfig         []string
	DistillerTraitPlugins   map[string]string
	TimeSyncEndpoint        string
	CatchAllNotifications   bool
	StatisticsPeriod        time.Duration // 0 for never
	Database                Database
	TriggerDefinitions      string
	PipelineHandlers        map[string]string
	PipelineConfig          string
	PipelineWorkerBatchSize int
	PipelineWorkerDelay     time.Duration
	PurgeCompletedStreams   bool
	TrimEvents              bool
	TrimEventsAge           string
	TrimEventsBatchSize     int
	LogLevel                slog.Level
	LogFile                 string
	LoggingConfig           string
	Workers                 int           // 0 for the engine's default
	Lease                   time.Duration // 0 for the engine's default
	Retry                   winchester.RetryPolicy
	Clock                   string        // ClockMachine or ClockReplay
	ReplayMaxJump           time.Duration // 0 for any
	RabbitBroker            RabbitBroker
	Consumers               Consumers
}

// Database is the section of that name.
type Database struct {
	URL         Secret
	Schema      string // "" for the connection's own
	TablePrefix string
	Connections int
	EchoSQL     bool
}

// setting is a key of winchester.yaml: what it is, and how it is read. read is
// called only if there is a value.
type setting struct {
	Item
	read func(l *loader, v yamlx.Value)
}

// defaults are the settings of a file that says nothing.
func defaults() Settings {
	return Settings{
		ConfigPath:              []string{"."},
		StatisticsPeriod:        10 * time.Second,
		Database:                Database{TablePrefix: "winchester_", Connections: 10},
		PipelineWorkerBatchSize: 100,
		PipelineWorkerDelay:     10 * time.Second,
		PurgeCompletedStreams:   true,
		TrimEventsAge:           "$timestamp - 14d",
		TrimEventsBatchSize:     100,
		Clock:                   ClockMachine,
		ReplayMaxJump:           24 * time.Hour,
	}
}

// What Settings.Clock can be.
const (
	ClockMachine = "machine"
	ClockReplay  = "replay"
)

// maxDirectories bounds how long it takes to find out that a file is not there.
const maxDirectories = 100

// settings lists the keys in the order in which they are described.
var settings = []setting{
	{Item{Key: "database.url", Type: typeText, Required: true,
		Help: "The database, as a URL: see docs/storage.md. Not required if the host hands in a store."},
		func(l *loader, v yamlx.Value) { l.readURL(v) }},
	{Item{Key: "database.schema", Type: typeText,
		Help: "PostgreSQL: the schema that the tables are in. Default: the first of the connection's search path."},
		func(l *loader, v yamlx.Value) { l.cfg.Database.Schema = v.Text() }},
	{Item{Key: "database.table_prefix", Type: typeText, Default: "winchester_",
		Help: "What the names of all tables begin with, so that several engines can share a database."},
		func(l *loader, v yamlx.Value) { l.cfg.Database.TablePrefix = v.Text() }},
	{Item{Key: "database.connections", Type: typeInt, Default: "10",
		Help: "PostgreSQL: how many connections are open at most. One of them listens for wake-ups."},
		func(l *loader, v yamlx.Value) { l.cfg.Database.Connections = readCount(v) }},
	{Item{Key: "database.echo_sql", Type: typeBool, Default: "false",
		Help: "Log every SQL statement, at level debug and without its values."},
		func(l *loader, v yamlx.Value) { l.cfg.Database.EchoSQL = v.Bool() }},
	{Item{Key: "config_path", Type: typeTexts, Default: ".",
		Help: "Directories in which the files that other keys name are looked for, in this order."},
		func(l *loader, v yamlx.Value) {
			if l.cfg.ConfigPath = v.Texts(); len(l.cfg.ConfigPath) > maxDirectories {
				v.Faultf("expected at most %d directories, found %d", maxDirectories, len(l.cfg.ConfigPath))
				l.cfg.ConfigPath = nil
			}
		}},
	{Item{Key: "trigger_definitions", Type: typeFile,
		Help: "The trigger definitions: see docs/triggers.md. Without it there are no triggers but those that the host adds."},
		func(l *loader, v yamlx.Value) { l.cfg.TriggerDefinitions = v.Text() }},
	{Item{Key: "pipeline_config", Type: typeFile,
		Help: "The pipelines: see docs/pipelines.md. Required if there are triggers."},
		func(l *loader, v yamlx.Value) { l.cfg.PipelineConfig = v.Text() }},
	{Item{Key: "pipeline_handlers", Type: typeNames, Default: "{}",
		Help: "Names for handlers: the Python class of a ready-made one, or the name of a registered Go handler. Registered names can be used without it."},
		func(l *loader, v yamlx.Value) {
			l.names = readPipelineHandlers(v, l.names.registry)
			l.cfg.PipelineHandlers = texts(v)
		}},
	{Item{Key: "distiller_config", Type: typeFiles,
		Help: "The event definitions, files or built-in sets such as builtin:nova, of which the later count first: see docs/event-definitions.md. Without it there are only events, no notifications."},
		func(l *loader, v yamlx.Value) { l.readDistillerConfig(v) }},
	{Item{Key: "distiller_trait_plugins", Type: typeNames, Default: "{}",
		Help: "Names for trait plugins: the Python class of a ready-made one, or the name of a Go plugin that the host hands in."},
		func(l *loader, v yamlx.Value) {
			l.readTraitPlugins(v)
			l.cfg.DistillerTraitPlugins = texts(v)
		}},
	{Item{Key: "catch_all_notifications", Type: typeBool, Default: "false",
		Help: "Store the basic traits of notifications that no event definition applies to, instead of dropping them."},
		func(l *loader, v yamlx.Value) { l.cfg.CatchAllNotifications = v.Bool() }},
	{Item{Key: "statistics_period", Type: typeDuration, Default: "10",
		Help: "How often a line of statistics, and what the triggers' debug levels have counted, is logged. 0 for never."},
		func(l *loader, v yamlx.Value) { l.cfg.StatisticsPeriod, _ = readDuration(v) }},
	{Item{Key: "pipeline_worker_batch_size", Type: typeInt, Default: "100",
		Help: "How many streams are claimed at once. The events of all of them are in memory at the same time."},
		func(l *loader, v yamlx.Value) { l.cfg.PipelineWorkerBatchSize = readCount(v) }},
	{Item{Key: "pipeline_worker_delay", Type: typeDuration, Default: "10",
		Help: "How often the database is asked for work when nothing else wakes the workers."},
		func(l *loader, v yamlx.Value) { l.readWorkerDelay(v) }},
	{Item{Key: "purge_completed_streams", Type: typeBool, Default: "true",
		Help: "Delete streams that have completed. Their events stay."},
		func(l *loader, v yamlx.Value) { l.cfg.PurgeCompletedStreams = v.Bool() }},
	{Item{Key: "trim_events", Type: typeBool, Default: "false",
		Help: "Delete old events that are in no stream, or in completed ones only."},
		func(l *loader, v yamlx.Value) { l.cfg.TrimEvents = v.Bool() }},
	{Item{Key: "trim_events_age", Type: typeExpression, Default: "$timestamp - 14d",
		Help: "What happened before this is old; $timestamp is now."},
		func(l *loader, v yamlx.Value) { l.cfg.TrimEventsAge = readTrimAge(v) }},
	{Item{Key: "trim_events_batch_size", Type: typeInt, Default: "100",
		Help: "How many events are deleted in one transaction."},
		func(l *loader, v yamlx.Value) { l.cfg.TrimEventsBatchSize = readCount(v) }},
	{Item{Key: "workers", Type: typeInt, Default: "the number of CPUs, at least 4",
		Help: "How many streams are run at the same time."},
		func(l *loader, v yamlx.Value) { l.cfg.Workers = readCount(v) }},
	{Item{Key: "lease", Type: typeDuration, Default: "1m",
		Help: "How long a claimed stream stays with a worker that is not heard of."},
		func(l *loader, v yamlx.Value) { l.cfg.Lease = readPeriod(v) }},
	{Item{Key: "retry.max_attempts", Type: typeInt, Default: "20",
		Help: "How often a pipeline is run for a stream, the first time included. 1 is what the original did: a failed stream waits for someone to reset it."},
		nil},
	{Item{Key: "retry.initial_backoff", Type: typeDuration, Default: "1s", Help: "The pause after the first failure."}, nil},
	{Item{Key: "retry.max_backoff", Type: typeDuration, Default: "1h", Help: "The longest pause."}, nil},
	{Item{Key: "retry.multiplier", Type: typeFloat, Default: "2", Help: "How much longer each pause is than the one before; at least 1."}, nil},
	{Item{Key: "retry.jitter", Type: typeFloat, Default: "0.1", Help: "The largest random change of a pause, as a part of it, from 0 to 1."}, nil},
	{Item{Key: "retry.on_commit_error", Type: "retry or ignore", Default: "retry",
		Help: "What happens when a handler's Commit fails: the run is repeated, without the commits already made, or the effect is lost, as in the original."},
		nil},
	{Item{Key: "clock", Type: "machine or replay", Default: ClockMachine,
		Help: "What streams fire and expire by: this machine's clock, or the time of the events, to replay recorded ones through all processes on the database. See docs/replay.md."},
		func(l *loader, v yamlx.Value) { l.readClock(v) }},
	{Item{Key: "replay_max_jump", Type: typeDuration, Default: "1d",
		Help: "In a replay: how far ahead of the clock an event may be; one that is further is refused. 0 for any distance."},
		func(l *loader, v yamlx.Value) { l.cfg.ReplayMaxJump, _ = readDuration(v) }},
	{Item{Key: "rabbit_broker.url", Type: typeText,
		Help: "RabbitMQ, as a URL: amqp://user:password@host:5672/vhost, or amqps:// for TLS. Instead of the next six. See docs/rabbitmq.md."},
		func(l *loader, v yamlx.Value) { l.readRabbitURL(v) }},
	{Item{Key: "rabbit_broker.host", Type: typeText, Default: "localhost", Help: "Where RabbitMQ is."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.Host = v.Text() }},
	{Item{Key: "rabbit_broker.port", Type: typeInt, Default: "5672", Help: "Its port; with ssl the default is 5671."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.Port = int(v.IntBetween(1, 65535)) }},
	{Item{Key: "rabbit_broker.user", Type: typeText, Default: "guest", Help: "As whom to log in."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.User = v.Text() }},
	{Item{Key: "rabbit_broker.password", Type: typeText, Default: "guest", Help: "Better not written here, but as ${NAME} of the environment."},
		func(l *loader, v yamlx.Value) { l.readRabbitPassword(v) }},
	{Item{Key: "rabbit_broker.vhost", Type: typeText, Default: "/", Help: "The virtual host."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.VHost = v.Text() }},
	{Item{Key: "rabbit_broker.ssl", Type: typeBool, Default: "false", Help: "TLS."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.SSL = v.Bool() }},
	{Item{Key: "rabbit_broker.ssl_ca_file", Type: typeFile, Help: "TLS: PEM certificates to trust. Default: the system's."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.SSLCAFile = l.locate(v) }},
	{Item{Key: "rabbit_broker.ssl_cert_file", Type: typeFile, Help: "TLS: a client certificate, PEM."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.SSLCertFile = l.locate(v) }},
	{Item{Key: "rabbit_broker.ssl_key_file", Type: typeFile, Help: "TLS: the key of the client certificate, PEM."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.SSLKeyFile = l.locate(v) }},
	{Item{Key: "rabbit_broker.ssl_server_name", Type: typeText, Help: "TLS: the name in the broker's certificate. Default: the host."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.SSLServerName = v.Text() }},
	{Item{Key: "rabbit_broker.ssl_insecure", Type: typeBool, Default: "false", Help: "TLS: do not check the broker's certificate."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.SSLInsecure = v.Bool() }},
	{Item{Key: "rabbit_broker.reconnect_delay", Type: typeDuration, Default: "1s",
		Help: "The pause after a first failure to connect; each further one is twice as long."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.ReconnectDelay = readPeriod(v) }},
	{Item{Key: "rabbit_broker.max_wait", Type: typeDuration, Default: "30s", Help: "The longest pause, between attempts to connect and between attempts to store."},
		func(l *loader, v yamlx.Value) { l.cfg.RabbitBroker.MaxWait = readPeriod(v) }},
	{Item{Key: "rabbit_broker.poll_delay", Type: typeDuration, Ignored: true, Help: "Yagi's pause between polls."},
		func(l *loader, v yamlx.Value) {
			l.main.warn(v, "has no effect: messages are delivered, not polled for")
		}},
	{Item{Key: "rabbit_broker.max_connection_age", Type: typeDuration, Ignored: true, Help: "After which Yagi connected anew."},
		func(l *loader, v yamlx.Value) {
			l.main.warn(v, "has no effect: heartbeats find a connection that is dead")
		}},
	{Item{Key: "consumers.queues", Type: "map of queues",
		Help: "The queues to consume, by name, with the keys that docs/rabbitmq.md lists. Without it nothing is consumed."},
		func(l *loader, v yamlx.Value) { l.readQueues(v) }},
	{Item{Key: "consumers.batch_wait", Type: typeDuration, Default: "0", Help: "How long a batch that is not full waits for more."},
		func(l *loader, v yamlx.Value) { l.cfg.Consumers.BatchWait, _ = readDuration(v) }},
	{Item{Key: "consumers.dead_letter_exchange", Type: typeText, Default: "winchester.dead_letters",
		Help: "Where messages go that cannot become events."},
		func(l *loader, v yamlx.Value) { l.cfg.Consumers.DeadLetters.Exchange = v.Text() }},
	{Item{Key: "consumers.dead_letter_queue", Type: typeText, Default: "the name of the exchange", Help: "The queue that is declared for them."},
		func(l *loader, v yamlx.Value) { l.cfg.Consumers.DeadLetters.Queue = v.Text() }},
	{Item{Key: "consumers.dead_letter_declare", Type: typeBool, Default: "true", Help: "Make the two where they are missing."},
		func(l *loader, v yamlx.Value) { l.cfg.Consumers.DeadLetters.NoDeclare = !v.Bool() }},
	{Item{Key: "consumers.dead_letter_file", Type: typeText, Help: "A file that such messages are appended to instead, as JSON Lines."},
		func(l *loader, v yamlx.Value) { l.cfg.Consumers.DeadLetters.File = v.Text() }},
	{Item{Key: "log_level", Type: typeText, Default: "info",
		Help: "debug, info, warning, error or critical. Of effect only if the host hands in no logger."},
		func(l *loader, v yamlx.Value) { l.readLogLevel(v) }},
	{Item{Key: "log_file", Type: typeText,
		Help: "The file that log lines are added to, instead of standard error. %(proc_name)s stands for the name of the process. Of effect only if the host hands in no logger."},
		func(l *loader, v yamlx.Value) { l.readLogFile(v) }},
	{Item{Key: "logging_config", Type: typeText, Ignored: true,
		Help: "The original's Python logging configuration."},
		func(l *loader, v yamlx.Value) {
			l.cfg.LoggingConfig = v.Text()
			l.main.warn(v, "has no effect: it is a configuration of Python's logging; use log_level and log_file, or hand a logger in")
		}},
	{Item{Key: "time_sync_endpoint", Type: typeText, Ignored: true,
		Help: "The original's time server, for replaying old events."},
		func(l *loader, v yamlx.Value) {
			l.cfg.TimeSyncEndpoint = v.Text()
			l.main.warn(v, "has no effect: there is no time server; to replay old events set clock: replay, and all processes on the database share a clock that follows them (docs/replay.md)")
		}},
}

// texts is a map of names to text as it stands in the file.
func texts(v yamlx.Value) map[string]string {
	out := map[string]string{}
	for _, e := range v.Node().Entries {
		out[e.Key] = e.Value.Text
	}
	return out
}

// readURL says nothing of what stands there: it may be a password.
func (l *loader) readURL(v yamlx.Value) {
	if v.Node().Kind != yamlx.Scalar {
		v.Faultf("expected a database URL")
		return
	}
	l.cfg.Database.URL = Secret(v.Node().Text)
	if err := store.CheckURL(v.Node().Text); err != nil {
		v.Faultf("%s", strings.TrimPrefix(err.Error(), "store: "))
	}
}

// readWorkerDelay: the original took 0 for no pause between polls.
func (l *loader) readWorkerDelay(v yamlx.Value) {
	d, ok := readDuration(v)
	if ok && d == 0 {
		d = time.Second
		l.main.warn(v, "0 is taken for 1 second: workers are woken when a stream is due, and need not poll for it")
	}
	l.cfg.PipelineWorkerDelay = d
}

func readTrimAge(v yamlx.Value) string {
	text := v.Text()
	if text == "" {
		return text
	}
	expr, err := timex.Parse(text)
	if err == nil {
		err = expr.CheckVariables("timestamp")
	}
	if err != nil {
		reportFault(v, winchester.Fault{Message: err.Error(), Err: err})
	}
	return text
}
