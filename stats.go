package winchester

import (
	"sync/atomic"
	"time"
)

// Stats are counts since the engine was made.
type Stats struct {
	Received      int64 // events and notifications handed in
	Notifications int64 // of these, notifications
	Saved         int64 // events stored, also those that pipelines made
	Duplicates    int64 // events whose message id was stored before
	Dropped       int64 // notifications that no event definition applies to
	Failed        int64 // events that were invalid or could not be stored

	Loaded  int64 // streams claimed by this engine's workers
	Fired   int64 // streams whose fire pipeline has been completed
	Expired int64 // streams whose expire pipeline has been completed
	Retried int64 // runs that failed and will be tried again
	Errors  int64 // runs that failed for good
	Locked  int64 // runs whose stream had been taken by another worker
	Trimmed int64 // old events deleted

	LastStatus time.Time // when the statistics were logged last
}

type ingestStats struct {
	received, notifications, saved, duplicates, dropped, failed atomic.Int64
	loggedAt                                                    atomic.Pointer[time.Time]
}

func (s *ingestStats) setLogged(at time.Time) { s.loggedAt.Store(&at) }

func (s *ingestStats) into(out *Stats) {
	out.Received, out.Saved, out.Duplicates = s.received.Load(), s.saved.Load(), s.duplicates.Load()
	out.Notifications, out.Dropped, out.Failed = s.notifications.Load(), s.dropped.Load(), s.failed.Load()
	if at := s.loggedAt.Load(); at != nil {
		out.LastStatus = *at
	}
}

type workStats struct{ loaded, fired, expired, retried, errors, locked, trimmed atomic.Int64 }

func (s *workStats) into(out *Stats) {
	out.Loaded, out.Fired, out.Expired = s.loaded.Load(), s.fired.Load(), s.expired.Load()
	out.Retried, out.Errors, out.Locked = s.retried.Load(), s.errors.Load(), s.locked.Load()
	out.Trimmed = s.trimmed.Load()
}
