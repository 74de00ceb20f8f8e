package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
)

func (s *streams) reset(ctx context.Context, args []string) error {
	ids, err := parseIDs(args)
	switch {
	case err != nil:
		return err
	case s.failed == (len(ids) > 0):
		return usagef("expected the numbers of streams, or --failed")
	case s.name != "" && !s.failed:
		return usagef("--name is for --failed")
	}
	return s.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		var chosen []winchester.Stream
		var faults []error
		for _, id := range ids {
			one, err := st.StreamByID(ctx, id)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			chosen = append(chosen, one)
		}
		if s.failed {
			for _, state := range []winchester.State{winchester.StateError, winchester.StateExpireError} {
				found, err := st.FindStreams(ctx, winchester.StreamQuery{State: state, Name: s.name, Mark: "+"})
				if err != nil {
					return err
				}
				for _, one := range found {
					chosen = append(chosen, one.Stream)
				}
			}
		}
		out := []resetJSON{}
		for _, before := range chosen {
			after, err := winchester.ResetStream(ctx, st, before, time.Now())
			switch {
			case err != nil:
				faults = append(faults, fmt.Errorf("stream %d: %w", before.ID, err))
				continue
			case after.State == before.State:
				faults = append(faults, fmt.Errorf("stream %d is %s: only streams in error or expire_error can be reset", before.ID, before.State))
				continue
			}
			out = append(out, resetJSON{before.ID, before.State.String(), after.State.String()})
			if !s.json {
				fmt.Fprintf(s.out, "stream %d: %s -> %s\n", before.ID, before.State, after.State)
			}
		}
		if s.json {
			faults = append(faults, s.printJSON(out))
		} else if s.failed {
			fmt.Fprintf(s.out, "%d streams will be tried again.\n", len(out))
		}
		return errors.Join(faults...)
	})
}

type resetJSON struct {
	ID     int64  `json:"id"`
	Before string `json:"before"`
	State  string `json:"state"`
}

func (s *streams) remove(ctx context.Context, args []string) error {
	ids, err := parseIDs(args)
	switch {
	case err != nil:
		return err
	case !s.yes:
		return usagef("this deletes %d of the streams; if that is meant, add --yes", len(ids))
	}
	return s.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		var faults []error
		deleted := []int64{}
		for _, id := range ids {
			if err := st.PurgeStream(ctx, id); err != nil {
				faults = append(faults, err)
				continue
			}
			deleted = append(deleted, id)
			if !s.json {
				fmt.Fprintf(s.out, "stream %d: deleted\n", id)
			}
		}
		if s.json {
			faults = append(faults, s.printJSON(map[string][]int64{"deleted": deleted}))
		}
		return errors.Join(faults...)
	})
}
