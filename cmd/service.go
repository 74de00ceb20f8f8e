package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/seed71495667/winchester/config"
)

// service is what the commands that go on until they are told to stop have in
// common: signals, health over HTTP, and what systemd wants to hear.
type service struct {
	o       *options
	log     *slog.Logger
	listen  string
	metrics *metrics
	// ready tells what is in the way of doing its work, nil for nothing.
	ready func(ctx context.Context) error
	// run works until drain ends, then finishes what is under way, and gives that
	// up when abort ends.
	run func(drain, abort context.Context) error

	stopping atomic.Bool
}

// openService reads the configuration and opens the engine as it says. Log lines
// go where it says. check looks at the configuration before anything is opened.
func (o *options) openService(ctx context.Context, name string, m *metrics, check func(*config.Config) error) (*config.Config, *config.Engine, *slog.Logger, error) {
	opts := o.configOptions()
	opts.Name = name
	opts.MeterProvider = m.meterProvider()
	if o.logLevel != "" {
		level, err := o.level(slog.LevelInfo)
		if err != nil {
			return nil, nil, nil, err
		}
		opts.LogLevel = &level
	}
	cfg, err := o.loadWith(config.Load, opts)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := check(cfg); err != nil {
		return nil, nil, nil, err
	}
	engine, err := cfg.Open(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	return cfg, engine, engine.Logger(), nil
}

// serve runs the service. The first SIGTERM or SIGINT lets it finish what is
// under way, a second one does not.
func (s *service) serve(ctx context.Context) error {
	abort, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	drain, stop := context.WithCancel(ctx)
	defer stop()

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	closeHTTP, err := s.serveHTTP()
	if err != nil {
		return err
	}
	defer closeHTTP()

	done := make(chan error, 1)
	go func() { done <- s.run(drain, abort) }()
	s.notify(daemon.SdNotifyReady)
	s.log.Info("Started", "pid", os.Getpid())
	beat, stopBeat := s.watchdog()
	defer stopBeat()
	ended := ctx.Done()
	var asked time.Time
	var enough <-chan time.Time
	for {
		select {
		case <-beat:
			s.notify(daemon.SdNotifyWatchdog)
		case <-ended:
			ended = nil
			s.beginStop(stop, "context ended")
		case sig := <-signals:
			if s.stopping.Load() && time.Since(asked) < patience {
				continue
			}
			if abort.Err() != nil {
				return errAbandoned
			}
			if s.stopping.Load() {
				s.log.Warn("Aborting: what is under way is given up, and will be tried again", "signal", sig.String())
				giveUp()
				enough = time.After(lastPatience)
				continue
			}
			asked = time.Now()
			s.beginStop(stop, sig.String())
		case <-enough:
			return errAbandoned
		case err := <-done:
			if err == nil {
				s.log.Info("Stopped")
			}
			if abort.Err() != nil {
				if errors.Is(err, context.Canceled) { // which is said better
					err = nil
				}
				err = errors.Join(errors.New("aborted by a second signal; what was under way will be tried again"), err)
			}
			return err
		}
	}
}

// patience is for how long a second signal counts as the first one: shells and
// supervisors send one to the process and one to its group.
const patience = 500 * time.Millisecond

// lastPatience is for how long a handler that has been told to end may go on.
const lastPatience = 5 * time.Second

// errAbandoned: a handler does not end when it is told to, so the process does. There
// is no waiting for the engine then.
var errAbandoned = errors.New("aborted by a second signal, and something does not end; its streams will be tried again when their lease is over")

// closed closes the engine, if that can be waited for, after err.
func closed(engine *config.Engine, err error) error {
	if errors.Is(err, errAbandoned) {
		return err
	}
	return errors.Join(err, engine.Close())
}

func (s *service) beginStop(stop context.CancelFunc, why string) {
	s.stopping.Store(true)
	s.notify(daemon.SdNotifyStopping)
	s.log.Info("Stopping: what is under way is finished first", "signal", why)
	stop()
}

func (s *service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd could not be notified", "err", err)
	}
}

// watchdog tells when systemd wants to hear from us; never, if it does not.
func (s *service) watchdog() (<-chan time.Time, func()) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every / 2)
	return t.C, t.Stop
}

// serveHTTP answers /healthz, which is about the process, /readyz, which is about
// its database and broker, and /metrics.
func (s *service) serveHTTP() (closeAll func(), err error) {
	if s.listen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		if s.stopping.Load() {
			answer(w, errors.New("stopping"))
			return
		}
		answer(w, s.ready(ctx))
	})
	mux.Handle("GET /metrics", s.metrics.handler(s.log))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	s.log.Info("Listening", "address", l.Addr().String())
	return func() {
		_ = srv.Close()
		<-done
	}, nil
}

func answer(w http.ResponseWriter, err error) {
	body := map[string]string{"status": "ok"}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		body = map[string]string{"status": "unavailable", "reason": err.Error()}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body)
}
