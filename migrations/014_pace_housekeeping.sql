-- Housekeeping of the days of public.ab_test_metrics without anybody standing still: a day is made while
-- uploads and readers of other days go on, one day a transaction, and the whole fleet makes one attempt a time.
-- By hand: after 013, psql -v ON_ERROR_STOP=1 --single-transaction -f 014_pace_housekeeping.sql

-- When the fleet last tried what may have to give way. Committed before the attempt, so that an attempt that
-- failed counts as one too.
CREATE TABLE IF NOT EXISTS burgee.housekeeping (
    task text PRIMARY KEY,
    every interval NOT NULL,
    last_attempt_at timestamptz NOT NULL DEFAULT '-infinity'
);
-- Each a little shorter than the pauses of one host, which else would find its own last attempt too young:
-- an hour, and a minute or more after a day could not be made.
INSERT INTO burgee.housekeeping (task, every) VALUES ('partitions', '50 seconds'), ('retention', '59 minutes')
    ON CONFLICT DO NOTHING;

-- True, and noted as an attempt, when nobody has tried `wanted` for long enough. Never waits.
CREATE OR REPLACE FUNCTION burgee.begin_housekeeping(wanted text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    -- An attempt of the future was noted before the server's clock went back.
    UPDATE burgee.housekeeping SET last_attempt_at = now() WHERE task = (
        SELECT h.task FROM burgee.housekeeping h
        WHERE h.task = wanted AND (h.last_attempt_at <= now() - h.every OR h.last_attempt_at > now())
        FOR UPDATE SKIP LOCKED);
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION burgee.begin_housekeeping(text) FROM PUBLIC;

-- The days from today (UTC) to `days_ahead` days later that have no partition; none, if the table is not
-- partitioned. Takes no lock on any of them.
CREATE OR REPLACE FUNCTION burgee.missing_metric_days(days_ahead integer) RETURNS SETOF date
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' SET timezone = 'UTC' AS $$
    SELECT current_date + ahead FROM pg_catalog.generate_series(0, least(days_ahead, 31)) ahead
    WHERE EXISTS (SELECT FROM pg_catalog.pg_partitioned_table
                  WHERE partrelid = pg_catalog.to_regclass('public.ab_test_metrics'))
      AND pg_catalog.to_regclass('public.ab_test_metrics_'
                                 || pg_catalog.to_char(current_date + ahead, 'YYYYMMDD')) IS NULL
    ORDER BY ahead
$$;
REVOKE ALL ON FUNCTION burgee.missing_metric_days(integer) FROM PUBLIC;

-- Creates the first of them; answers how many it created, 0 or 1, so that who calls it until 0 has a
-- transaction for each day. A day whose rows the DEFAULT partition holds already is left there.
--
-- ATTACH and not PARTITION OF, which would need the whole table for itself: this keeps only other changes of
-- the table away, and from the DEFAULT partition everybody. Rows of days that have a partition never wait;
-- others for at most 2 s and the time of reading the DEFAULT partition once.
CREATE OR REPLACE FUNCTION burgee.ensure_metric_partitions(days_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET timezone = 'UTC'
    SET lock_timeout = '2s' AS $$
DECLARE
    metrics CONSTANT regclass := pg_catalog.to_regclass('public.ab_test_metrics');
    default_partition regclass;
    tablespace_clause text;
    partition text;
    day date;
    is_taken boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM burgee.missing_metric_days(days_ahead))
       OR NOT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('burgee.metric_partitions')) THEN
        RETURN 0;
    END IF;
    SELECT nullif(p.partdefid, 0)::regclass INTO default_partition
        FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = metrics;
    SELECT pg_catalog.format(' TABLESPACE %I', t.spcname) INTO tablespace_clause
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
        WHERE c.oid = metrics;
    FOR day IN SELECT d FROM burgee.missing_metric_days(days_ahead) d LOOP
        is_taken := false;
        IF default_partition IS NOT NULL THEN
            -- Before the lock, so that a day that stays there costs nobody anything; and under it.
            FOR look IN 1 .. 2 LOOP
                EXECUTE pg_catalog.format(
                    'SELECT EXISTS (SELECT FROM %s WHERE created_at >= $1 AND created_at < $2)',
                    default_partition) INTO is_taken USING day::timestamptz, (day + 1)::timestamptz;
                EXIT WHEN is_taken OR look = 2;
                LOCK TABLE ONLY public.ab_test_metrics IN SHARE UPDATE EXCLUSIVE MODE;
                EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', default_partition);
            END LOOP;
        END IF;
        CONTINUE WHEN is_taken;
        partition := 'ab_test_metrics_' || pg_catalog.to_char(day, 'YYYYMMDD');
        EXECUTE pg_catalog.format(
            'CREATE TABLE public.%I (LIKE public.ab_test_metrics INCLUDING DEFAULTS INCLUDING CONSTRAINTS'
            ' INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)', partition)
            || coalesce(tablespace_clause, '');
        EXECUTE pg_catalog.format(
            'ALTER TABLE public.ab_test_metrics ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            partition, day::timestamptz, (day + 1)::timestamptz);
        RETURN 1;
    END LOOP;
    RETURN 0;
END
$$;

DO $$
DECLARE
    calling text;
BEGIN
    FOREACH calling IN ARRAY ARRAY['burgee_writer', 'burgee_owner'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = calling) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION burgee.ensure_metric_partitions(integer) TO %I', calling);
            EXECUTE format('GRANT EXECUTE ON FUNCTION burgee.begin_housekeeping(text) TO %I', calling);
            EXECUTE format('GRANT EXECUTE ON FUNCTION burgee.missing_metric_days(integer) TO %I', calling);
        END IF;
    END LOOP;
    -- For burgee doctor.
    FOREACH calling IN ARRAY ARRAY['burgee_reader', 'burgee_owner'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = calling) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION burgee.missing_metric_days(integer) TO %I', calling);
            EXECUTE format('GRANT SELECT ON burgee.housekeeping TO %I', calling);
        END IF;
    END LOOP;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (14) ON CONFLICT DO NOTHING;
