package atompub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/atompub"
)

func TestParams(t *testing.T) {
	t.Parallel()
	type params = map[string]any
	r := winchester.NewRegistry()
	if err := atompub.Register(r); err != nil {
		t.Fatal(err)
	}
	if err := atompub.Register(r); err == nil {
		t.Error("registered twice without an error")
	}
	const url = "https://feed.example.com/nova/events"
	for _, c := range []struct {
		params params
		faults string // "" for none; lines in order
	}{
		{params{"url": url}, ""},
		{params{"url": url, "wait_interval": 30, "max_wait": "1h 30m", "http_timeout": 0.5}, ""},
		{params{"url": url, "event_types": "a.*", "categories": []any{"b"}, "title": "T", "extra_info": params{"region": "DFW", "unheard_of": 5, "status": "X"}}, ""},
		{params{"url": url, "auth_server": "http://id/tokens", "auth_user": "u", "auth_key": key}, ""},
		{params{"url": url, "extra_info": nil, "title": nil, "max_wait": nil}, ""},
		{nil, "url: is missing: expected the http or https URL of the feed"},
		{params{"url": "feed.example.com/nova"}, "url: expected an http or https URL with a host"},
		{params{"url": "ftp://feed.example.com"}, "url: expected an http or https URL with a host"},
		{params{"url": "https:///nova"}, "url: expected an http or https URL with a host"},
		{params{"url": url, "ulr": url, "content_format": "cuf"}, `ulr: there is no such parameter (did you mean "url"?)` + "\n" + `content_format: "cuf" is neither "json" nor "cuf_xml"`},
		{params{"url": url, "content_format": "cufxml"}, `content_format: "cufxml" is neither "json" nor "cuf_xml" (did you mean "cuf_xml"?)`},
		{params{"url": 5, "event_types": []any{"a", 5}, "extra_info": "x", "title": []any{}, "auth_key": params{key: key}, "wait_interval": true, "max_wait": "soon"},
			"auth_key: expected text, found a map\nevent_types: expected a list of texts, found one with something else in it\nextra_info: expected a map, found text\n" +
				"max_wait: \"soon\" is not a duration: expected a number of seconds, or text such as \"1h 30m\"\ntitle: expected text, found a list\n" +
				"url: expected text, found a number\nwait_interval: expected a duration, a number of seconds or text such as \"90s\", found a boolean"},
		{params{"url": url, "wait_interval": 0, "http_timeout": -1}, "http_timeout: a duration of -1 seconds is negative\nwait_interval: expected more than no time at all"},
		{params{"url": url, "max_wait": 25 * time.Hour / 1e9, "http_timeout": "61m"}, "max_wait: 25h0m0s is out of range: more than 0 and at most 24h0m0s are possible\nhttp_timeout: 1h1m0s is out of range: more than 0 and at most 1h0m0s are possible"},
		{params{"url": url, "wait_interval": time.Second}, "wait_interval: 277777h46m40s is out of range: more than 0 and at most 24h0m0s are possible"}, // nanoseconds taken for seconds
		{params{"url": url, "auth_key": key}, "auth_server: is missing: auth_user and auth_key are for it"},
		{params{"url": url, "auth_server": "id:5000"}, "auth_server: expected an http or https URL with a host\nauth_user: is missing: auth_server needs it\nauth_key: is missing: auth_server needs it"},
		{params{"url": url, "event_types": []any{"a", "", "!"}}, "event_types[1]: \"\" matches no event\nevent_types[2]: \"!\" matches no event"},
		{params{"url": url, "extra_info": params{"datacenter": "x"}}, `extra_info.datacenter: nothing shows it (did you mean "data_center"?)`},
		{params{"url": "https://u:" + key + "@/x", "auth_server": key}, "url: expected an http or https URL with a host\nauth_server: expected an http or https URL with a host\nauth_user: is missing: auth_server needs it\nauth_key: is missing: auth_server needs it"},
	} {
		_, err := r.Factory(atompub.Name, c.params)
		if c.faults == "" {
			if err != nil {
				t.Errorf("%v: %v", c.params, err)
			}
			continue
		}
		var faults winchester.Faults
		if !errors.As(err, &faults) || faults.Error() != c.faults {
			t.Errorf("%v: got\n%v\nwant\n%s", c.params, err, c.faults)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("shows a secret: %v", err)
		}
	}
	if _, err := atompub.New(atompub.Params{}); err == nil {
		t.Error("New takes no URL for one")
	}
}
