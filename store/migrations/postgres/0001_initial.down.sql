DROP TABLE {{tables}}stream_events;
DROP TABLE {{tables}}streams;
DROP TABLE {{tables}}events;
