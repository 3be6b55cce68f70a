-- Where a spool's cursor began: 1, but for the spool of a copied disk and one that had lost its beginning
-- before this database saw it. So the events below a cursor can be counted without knowing the past.
-- Cursors of copied disks that are older than this migration keep 1: docs/event_storage.md.
-- By hand: after 012, psql -v ON_ERROR_STOP=1 --single-transaction -f 013_remember_first_lsn.sql

ALTER TABLE burgee.spool_cursor ADD COLUMN IF NOT EXISTS first_lsn bigint NOT NULL DEFAULT 1;

INSERT INTO burgee.schema_version (version) VALUES (13) ON CONFLICT DO NOTHING;
