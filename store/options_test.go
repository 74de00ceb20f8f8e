package store

import (
	"strings"
	"testing"
)

func TestOptionsReportAllFaultsTogether(t *testing.T) {
	t.Parallel()
	_, err := Options{
		TablePrefix: "Robert'); DROP TABLE", IndexedTraits: []string{"ok", `no"`}, Synchronous: "sometimes", BusyTimeout: -1, Readers: -1,
	}.withDefaults()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"TablePrefix", "IndexedTraits", "Synchronous", "BusyTimeout", "Readers"} {
		if !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
}

func TestOptionsDefaults(t *testing.T) {
	t.Parallel()
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if o.TablePrefix != "winchester_" || o.Synchronous != SyncFull || o.BusyTimeout <= 0 || o.Readers < 4 || o.Logger == nil || o.SlowQuery <= 0 {
		t.Errorf("defaults are %+v", o)
	}
}
