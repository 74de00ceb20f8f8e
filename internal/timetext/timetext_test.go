package timetext

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyTime draws times that can be stored: years 1 to 9999, whole microseconds.
func anyTime() *rapid.Generator[time.Time] {
	first := time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	last := time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(first.UnixMicro(), last.UnixMicro()).Draw(t, "microseconds")).UTC()
	})
}

func TestTimeTextIsWhatPackageTimeWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := anyTime().Draw(t, "time")
		text := Format(at.In(time.FixedZone("elsewhere", rapid.IntRange(-50000, 50000).Draw(t, "zone"))))
		if want := at.Format("2006-01-02T15:04:05.000000Z"); text != want {
			t.Fatalf("Format: got %s, want %s", text, want)
		}
		back, err := Parse(text)
		if err != nil || back != at {
			t.Fatalf("Parse(%s): got %v, %v; want %v", text, back, err, at)
		}
	})
}

func TestTimeTextSortsAsTimesDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyTime().Draw(t, "a"), anyTime().Draw(t, "b")
		if strings.Compare(Format(a), Format(b)) != a.Compare(b) {
			t.Fatalf("%s and %s do not sort as %v and %v", Format(a), Format(b), a, b)
		}
	})
}

func TestTimeTextOfBoundsOutsideOfTheYears(t *testing.T) {
	t.Parallel()
	if got := Format(time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)); got != lastTimeText {
		t.Errorf("year 12345: got %s", got)
	}
	if got := Format(time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)); got != firstTimeText {
		t.Errorf("year -5: got %s", got)
	}
}

func TestParseTimeRefusesAnythingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "x", "2026-01-02T15:04:05Z", "2026-01-02 15:04:05.000000Z", "2026-01-02T15:04:05.000000+",
		"2026-01-02T15:04:05.00000xZ", "2o26-01-02T15:04:05.000000Z", "2026-01-02T15:04:05,000000Z", "2026-01-02T15:04:05.0000000Z",
		"2026-02-29T15:04:05.000000Z", "2026-13-02T15:04:05.000000Z", "2026-00-02T15:04:05.000000Z", "2026-01-00T15:04:05.000000Z",
		"2026-01-32T15:04:05.000000Z", "2026-01-02T24:04:05.000000Z", "2026-01-02T15:60:05.000000Z", "2026-01-02T15:04:60.000000Z", "0000-01-02T15:04:05.000000Z",
	} {
		if at, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) is %v", text, at)
		}
	}
}
