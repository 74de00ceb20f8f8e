package winchester

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// LoggingHandlerName is the name under which NewRegistry knows the logging
// handler.
const LoggingHandlerName = "logger"

// LoggingParams are the parameters of the logging handler.
type LoggingParams struct {
	// Prefix goes before the text.
	Prefix string `json:"prefix"`
	// Level is debug, info, warn or error. Default info.
	Level slog.Level `json:"level"`
}

// LoggingHandler logs how many events a stream has and the type and id of each,
// through the engine's logger, and passes them on.
type LoggingHandler struct {
	HandlerDefaults
	params LoggingParams
}

// NewLoggingHandler returns a LoggingHandler.
func NewLoggingHandler(p LoggingParams) (Handler, error) { return &LoggingHandler{params: p}, nil }

// HandleEvents logs.
func (h *LoggingHandler) HandleEvents(ctx context.Context, events []Event, env *Env) ([]Event, error) {
	if !env.Logger.Enabled(ctx, h.params.Level) {
		return events, nil
	}
	var list strings.Builder
	for i, e := range events {
		if i > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "%s: %s", e.EventType, e.MessageID)
	}
	env.Logger.Log(ctx, h.params.Level, fmt.Sprintf("%sReceived %d events: %s", h.params.Prefix, len(events), list.String()))
	return events, nil
}
