package winchester

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// StreamExplanation is what Engine.ExplainStream has found out. String writes it
// for people. Times are UTC.
type StreamExplanation struct {
	Now      time.Time `json:"now"` // by the engine's clock; in a replay, of a stream that is not active, by the machine's
	StreamID int64     `json:"stream_id"`
	Trigger  string    `json:"trigger"`
	// UnknownTrigger tells that this engine has no trigger of that name; what
	// follows from its definition is missing then.
	UnknownTrigger bool   `json:"unknown_trigger,omitempty"`
	State          string `json:"state"`
	Open           bool   `json:"open"` // it takes events
	// DistinguishedBy is why it is this stream and no other.
	DistinguishedBy []Distinction `json:"distinguished_by"`
	FirstEvent      time.Time     `json:"first_event,omitzero"`
	LastEvent       time.Time     `json:"last_event,omitzero"`
	// Events is how many there are, up to MaxExplainedEvents. MoreEvents tells that
	// there are more; what follows goes by those that were stored last.
	Events     int64 `json:"events"`
	MoreEvents bool  `json:"more_events,omitempty"`
	// MatchedBy tells which match criteria take the events, by the present
	// definition, and Unmatched how many none of them takes any more.
	MatchedBy []MatchCount `json:"matched_by,omitempty"`
	Unmatched int64        `json:"unmatched,omitempty"`
	// Fire are the fire criteria. Once all have been met they are not looked at
	// again, whatever the trigger says since.
	Fire []FireProgress `json:"fire_criteria,omitempty"`
	// Recounted tells that there are no counts of the present definition: the
	// trigger was defined anew since the last event came, or events were deleted.
	// Those here are of the events looked at; the engine counts anew, too, when the
	// next event joins.
	Recounted bool `json:"recounted,omitempty"`
	// Redefined tells the same of a stream whose fire criteria had been met before;
	// the engine does not count any more.
	Redefined bool      `json:"redefined,omitempty"`
	FireAt    time.Time `json:"fire_at,omitzero"` // set once the fire criteria have been met
	ExpireAt  time.Time `json:"expire_at,omitzero"`
	Next      Outlook   `json:"next"`
	Attempts  Attempts  `json:"attempts"`
}

// Distinction is a trait whose value tells a stream apart.
type Distinction struct {
	Trait      string `json:"trait"`
	Expression string `json:"expression,omitempty"` // that the value was computed with
	Value      string `json:"value"`
	// Missing tells that the trigger distinguishes by it now, but did not when
	// the stream was opened; Former the opposite.
	Missing bool `json:"missing,omitempty"`
	Former  bool `json:"former,omitempty"`
}

// MatchCount is how many events a match criterion took.
type MatchCount struct {
	CriterionRef
	Events int64 `json:"events"`
}

// FireProgress is how far a fire criterion has come.
type FireProgress struct {
	CriterionRef
	Needs int  `json:"needs"` // events that satisfy it
	Has   int  `json:"has"`   // up to the number needed
	Met   bool `json:"met"`
	// Nearest is, of the events that fail a criterion that is not met, the one
	// that passes most of its checks, and the last stored of several.
	Nearest *NearMiss `json:"nearest,omitempty"`
}

// NearMiss is an event that failed a criterion.
type NearMiss struct {
	MessageID string     `json:"message_id"`
	EventType string     `json:"event_type"`
	Timestamp time.Time  `json:"timestamp"`
	Failed    []Mismatch `json:"failed"` // every check that it failed
}

// Outlook is what happens to a stream next.
type Outlook struct {
	// What is OutlookWaits, OutlookDue, OutlookHeld, OutlookLost, OutlookRetry,
	// OutlookReset or OutlookDone.
	What string `json:"what"`
	Pass Pass   `json:"pass,omitempty"` // which of the two
	// At is when: it is due, the lease runs out, it is tried again.
	At time.Time `json:"at,omitzero"`
	// Pipeline is the one that runs then; "" for none, with which it just completes.
	Pipeline string `json:"pipeline,omitempty"`
	// Worker has claimed it.
	Worker string `json:"worker,omitempty"`
	// Problem says why it will end in error, as things stand.
	Problem string `json:"problem,omitempty"`
}

// What happens next.
const (
	OutlookWaits = "waits"     // it fires or expires at a time to come
	OutlookDue   = "due"       // it should have been claimed since
	OutlookHeld  = "held"      // a worker has it, and a lease until At
	OutlookLost  = "lost"      // a worker has it whose lease has run out: any other may take it
	OutlookRetry = "retry"     // a run has failed or was given back, and it waits until At
	OutlookReset = "reset"     // it is in error until someone resets it
	OutlookDone  = "completed" // nothing happens any more
)

// Attempts is what is known of the runs of a stream's pipeline.
type Attempts struct {
	Begun int `json:"begun"` // since it was last reset, with the one that is under way
	Max   int `json:"max"`   // by the retry policy
	// Uncounted is how many runs did not count as attempts: those that were
	// snoozed, or given back by an engine that stopped; and those before a reset.
	Uncounted int `json:"uncounted,omitempty"`
	// History is what each did that has come to an end: see Stream.Attempts.
	History     []Attempt `json:"history,omitempty"`
	LastError   string    `json:"last_error,omitempty"` // more of the last one's text
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Committed are the handlers, of CommittedPipeline, that an attempt which
	// failed afterwards has committed. The first Skipped of them are not committed
	// again; the others would be, since the pipeline has been defined anew.
	CommittedPipeline string   `json:"committed_pipeline,omitempty"`
	Committed         []string `json:"committed,omitempty"`
	Skipped           int      `json:"skipped,omitempty"`
}

// streamExplainer looks at the events of a stream, the last stored first.
type streamExplainer struct {
	s       Stream
	t       *trigger // nil if unknown
	w       workplace
	looked  int64
	byMatch []int64
	counts  Progress
	near    []nearest // for each fire criterion
	settled bool      // the fire criteria have been met for good
	fresh   bool      // the stream's own counts are of the present definition
}

type nearest struct {
	passed int
	miss   *NearMiss
}

func newStreamExplainer(s Stream, t *trigger, w workplace) *streamExplainer {
	x := &streamExplainer{s: s, t: t, w: w}
	if t != nil {
		x.byMatch, x.near = make([]int64, len(t.match)), make([]nearest, len(t.fire))
		x.fresh = s.Progress.Fingerprint == t.fingerprint && len(s.Progress.Counts) == len(t.fire)
		x.settled = !s.FireTimestamp.IsZero()
		x.counts = Progress{Counts: make([]int, len(t.fire))}
	}
	return x
}

func (x *streamExplainer) look(e *Event) {
	x.looked++
	if x.t == nil {
		return
	}
	if by := x.t.matchedBy(e, nil); by >= 0 {
		x.byMatch[by]++
	}
	x.t.count(&x.counts, e)
	if x.settled {
		return
	}
	for i := range x.t.fire {
		n := &x.near[i]
		passed, failed := x.t.fire[i].failures(e)
		if len(failed) > 0 && (n.miss == nil || passed > n.passed) {
			n.passed, n.miss = passed, &NearMiss{e.MessageID, e.EventType, e.Timestamp, failed}
		}
	}
}

// explain sums up; more tells that there are events which were not looked at.
func (x *streamExplainer) explain(more bool) StreamExplanation {
	s := &x.s
	out := StreamExplanation{
		Now: x.w.now, StreamID: s.ID, Trigger: s.Name, UnknownTrigger: x.t == nil, State: s.State.String(), Open: s.Open && s.openAt(x.w.now),
		DistinguishedBy: x.distinctions(), FirstEvent: s.FirstEvent, LastEvent: s.LastEvent, Events: x.looked, MoreEvents: more,
		FireAt: s.FireTimestamp, ExpireAt: s.ExpireTimestamp, Next: x.outlook(), Attempts: x.attempts(),
	}
	if x.t == nil {
		return out
	}
	out.Unmatched = x.looked
	for i, n := range x.byMatch {
		out.Unmatched -= n
		if n > 0 {
			out.MatchedBy = append(out.MatchedBy, MatchCount{*x.t.matchRef(i), n})
		}
	}
	out.Recounted, out.Redefined = !x.fresh && !x.settled, !x.fresh && x.settled
	out.Fire = x.fire()
	return out
}

func (x *streamExplainer) fire() []FireProgress {
	counts := x.s.Progress.Counts
	if !x.fresh {
		counts = x.counts.Counts
	}
	out := make([]FireProgress, len(x.t.fire))
	for i := range out {
		c := &x.t.fire[i]
		p := FireProgress{CriterionRef: CriterionRef{i + 1, c.String()}, Needs: c.number, Has: counts[i], Met: counts[i] >= c.number}
		if !p.Met {
			p.Nearest = x.near[i].miss
		}
		out[i] = p
	}
	return out
}

// distinctions lists the stream's traits in the order of the definition, and
// then those that the definition does not know any more.
func (x *streamExplainer) distinctions() []Distinction {
	var out []Distinction
	rest := maps.Clone(x.s.DistinguishingTraits)
	if x.t != nil {
		for _, by := range x.t.def.DistinguishedBy {
			v, ok := rest[by.Trait]
			d := Distinction{Trait: by.Trait, Expression: by.Expression, Missing: !ok}
			if ok {
				d.Value = TraitText(v)
			}
			out = append(out, d)
			delete(rest, by.Trait)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		out = append(out, Distinction{Trait: name, Value: TraitText(rest[name]), Former: x.t != nil})
	}
	return out
}

// outlook says what happens next.
func (x *streamExplainer) outlook() Outlook {
	s := &x.s
	fire, expire := s.Schedule()
	o := Outlook{Pass: PassFire, At: fire}
	if expires(fire, expire, x.w.now) {
		o.Pass, o.At = PassExpire, expire
	}
	past := o.At.Before(x.w.now) // it is due once the clock has moved past it
	switch s.State {
	case StateCompleted:
		return Outlook{What: OutlookDone}
	case StateError, StateExpireError:
		o = Outlook{What: OutlookReset, Pass: PassFire}
		if s.State == StateExpireError {
			o.Pass = PassExpire
		}
	case StateFiring, StateExpiring:
		o.What, o.Worker = OutlookHeld, s.Owner
		if past {
			o.What = OutlookLost
		}
	case StateRetryFire, StateRetryExpire:
		o.What = OutlookRetry
	default:
		o.What = OutlookWaits
	}
	if past && (o.What == OutlookWaits || o.What == OutlookRetry) {
		o.What = OutlookDue
	}
	if x.t == nil {
		o.Problem = ErrUnknownTrigger.Error()
		return o
	}
	o.Pipeline = x.t.def.pipeline(o.Pass)
	if o.Pipeline != "" && x.w.pipelines[o.Pipeline] == nil {
		o.Problem = ErrUnknownPipeline.Error()
	}
	return o
}

// expires tells which of two times comes into effect, as workers decide it: what
// is due in both passes fires.
func expires(fire, expire, now time.Time) bool {
	switch {
	case expire.IsZero():
		return false
	case fire.IsZero():
		return true
	}
	return !fire.Before(now) && expire.Before(fire)
}

func (x *streamExplainer) attempts() Attempts {
	s, policy := &x.s, x.w.retry
	if x.t != nil {
		policy = x.t.def.Retry.over(policy)
	}
	a := Attempts{Begun: s.Attempt, Max: policy.MaxAttempts, Uncounted: s.snoozes(), History: s.Attempts, LastError: s.LastError, LastErrorAt: s.LastErrorAt}
	if s.Committed == "" {
		return a
	}
	marks := strings.Split(s.Committed, "\n")
	a.CommittedPipeline = marks[0]
	for _, mark := range marks[1:] {
		name, _ := cutLast(mark, " ") // behind it is a digest of the parameters
		a.Committed = append(a.Committed, name)
	}
	if p := x.w.pipelines[x.outlook().Pipeline]; p != nil {
		a.Skipped = committedOf(s.Committed, p.marks())
	}
	return a
}

func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}
