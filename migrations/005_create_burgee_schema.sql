-- Schema burgee: revision, history and settings. From here on every change of a flag or experiment
-- gets a revision and a line in the history, whoever makes it: psql, the dashboard of a hosting
-- company, the former system or `burgee`. docs/database.md explains each table.
-- By hand: after 004, psql -v ON_ERROR_STOP=1 --single-transaction -f 005_create_burgee_schema.sql

CREATE SCHEMA IF NOT EXISTS burgee;
REVOKE ALL ON SCHEMA burgee FROM PUBLIC;

CREATE TABLE IF NOT EXISTS burgee.schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT session_user
);

-- One row. `value` grows by one in every transaction that changes something hosts must know; the row
-- lock makes the order of revisions the order of commits, so that a reader misses no late commit.
CREATE TABLE IF NOT EXISTS burgee.revision (
    is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
    value bigint NOT NULL,
    source_id bigint NOT NULL,  -- random, once: which database this is
    transaction_id xid8,        -- of the last change: one transaction takes one revision
    changed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

-- 48 random bits of a uuid, never 0.
INSERT INTO burgee.revision (value, source_id)
VALUES (0, 1 + ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint)
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS burgee.settings (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- Append-only. `after` is NULL: deleted, a tombstone. Kind truncate names a table that lost its rows
-- without tombstones.
CREATE TABLE IF NOT EXISTS burgee.flag_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision bigint NOT NULL,
    kind text NOT NULL
        CHECK (kind IN ('flag', 'experiment', 'phase', 'setting', 'segment', 'layer', 'truncate')),
    name text,
    before jsonb,
    after jsonb,
    changed_by text NOT NULL,
    application text,
    why text,
    changed_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS flag_history_revision ON burgee.flag_history (revision);
CREATE INDEX IF NOT EXISTS flag_history_name
    ON burgee.flag_history (kind, md5(name), revision);  -- md5: a name may exceed what a B-tree holds

-- Writes one line of history under the revision of this transaction, taking one when it has none.
-- The row of burgee.revision is locked from here to the commit, which is why row triggers are
-- deferred to it.
CREATE OR REPLACE FUNCTION burgee.record_change(kind text, name text, before jsonb, after jsonb)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    SET lock_timeout = 0  -- whoever holds the row is committing; giving up would lose the revision
    AS $$
DECLARE
    this_revision bigint;
BEGIN
    SELECT r.value INTO this_revision FROM burgee.revision r
        WHERE r.transaction_id = pg_catalog.pg_current_xact_id();
    IF NOT FOUND THEN
        UPDATE burgee.revision r
            SET value = r.value + 1, transaction_id = pg_catalog.pg_current_xact_id(),
                changed_at = pg_catalog.now()
            RETURNING r.value INTO this_revision;
        PERFORM pg_catalog.pg_notify('burgee_flags', this_revision::text);
    END IF;
    INSERT INTO burgee.flag_history
        (revision, kind, name, before, after, changed_by, application, why, changed_at)
    VALUES (this_revision, kind, name, before, after, session_user,
            pg_catalog.current_setting('application_name', true),
            nullif(pg_catalog.current_setting('burgee.why', true), ''), pg_catalog.now());
EXCEPTION
    -- A transaction of a higher isolation level has asked to be told about such conflicts.
    WHEN serialization_failure OR deadlock_detected THEN RAISE;
    -- Nothing else may fail the change of a flag: hosts find it by their regular full read.
    WHEN OTHERS THEN
        RAISE WARNING 'burgee: this change has no history and reaches hosts late: %', SQLERRM;
END
$$;
REVOKE ALL ON FUNCTION burgee.record_change(text, text, jsonb, jsonb) FROM PUBLIC;

-- Row trigger. Arguments: the kind, the column that names a row, columns whose change means nothing.
CREATE OR REPLACE FUNCTION burgee.record_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    name_before text := before ->> TG_ARGV[1];
    name_after text := after ->> TG_ARGV[1];
BEGIN
    IF TG_OP = 'UPDATE' AND before - TG_ARGV[2:] = after - TG_ARGV[2:] THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND name_before IS DISTINCT FROM name_after THEN
        -- Renamed: the old name is gone for whoever asks for it.
        PERFORM burgee.record_change(TG_ARGV[0], name_before, before, NULL);
        PERFORM burgee.record_change(TG_ARGV[0], name_after, NULL, after);
    ELSE
        PERFORM burgee.record_change(TG_ARGV[0], coalesce(name_after, name_before), before, after);
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION burgee.record_row() FROM PUBLIC;

CREATE OR REPLACE FUNCTION burgee.record_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM burgee.record_change('truncate', TG_TABLE_NAME, NULL, NULL);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION burgee.record_truncate() FROM PUBLIC;

DROP TRIGGER IF EXISTS burgee_record_row ON public.feature_flags;
CREATE CONSTRAINT TRIGGER burgee_record_row AFTER INSERT OR UPDATE OR DELETE ON public.feature_flags
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION burgee.record_row('flag', 'name', 'updated_at');
DROP TRIGGER IF EXISTS burgee_record_truncate ON public.feature_flags;
CREATE TRIGGER burgee_record_truncate AFTER TRUNCATE ON public.feature_flags
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.record_truncate();

-- results: written back when an experiment is evaluated; hosts need not know.
DROP TRIGGER IF EXISTS burgee_record_row ON public.ab_test_experiments;
CREATE CONSTRAINT TRIGGER burgee_record_row
    AFTER INSERT OR UPDATE OR DELETE ON public.ab_test_experiments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION burgee.record_row('experiment', 'name', 'results');
DROP TRIGGER IF EXISTS burgee_record_truncate ON public.ab_test_experiments;
CREATE TRIGGER burgee_record_truncate AFTER TRUNCATE ON public.ab_test_experiments
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.record_truncate();

-- An ordinary table of metrics came from the former system: its flags keep the buckets and the canary
-- (always off) that their users know, until somebody decides otherwise.
INSERT INTO burgee.settings (name, value)
SELECT s.name, CASE WHEN relkind = 'p' THEN s.fresh ELSE s.adopted END
FROM pg_catalog.pg_class,
     (VALUES ('default_bucketing', 'xxh3', 'legacy_md5'), ('legacy_canary', 'on', 'off'))
         AS s (name, fresh, adopted)
WHERE pg_class.oid = 'public.ab_test_metrics'::regclass
ON CONFLICT DO NOTHING;

DROP TRIGGER IF EXISTS burgee_record_row ON burgee.settings;
CREATE CONSTRAINT TRIGGER burgee_record_row AFTER INSERT OR UPDATE OR DELETE ON burgee.settings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION burgee.record_row('setting', 'name');

INSERT INTO burgee.schema_version (version) VALUES (4), (5) ON CONFLICT DO NOTHING;
