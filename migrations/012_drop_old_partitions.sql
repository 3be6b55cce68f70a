-- Retention: days of raw rows older than the setting metrics.retention_days are dropped, whole partitions at
-- a time; unit state stays, and with it every result. And how large each host's spool is.
-- By hand: after 011, psql -v ON_ERROR_STOP=1 --single-transaction -f 012_drop_old_partitions.sql

ALTER TABLE burgee.hosts ADD COLUMN IF NOT EXISTS spool_size_bytes bigint NOT NULL DEFAULT 0;

-- The days that retention would drop now, oldest first, and why it keeps one all the same: NULL, if it does
-- not. Empty without the setting, and where the setting is no number of days from 1 to 36 500.
CREATE OR REPLACE FUNCTION burgee.old_metric_partitions()
    RETURNS TABLE (partition text, day date, kept_because text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET timezone = 'UTC' AS $$
DECLARE
    retention_days integer;
    running uuid[];
    is_kept boolean;
BEGIN
    SELECT s.value::integer INTO retention_days FROM burgee.settings s
        WHERE s.name = 'metrics.retention_days' AND s.value ~ '^[1-9][0-9]{0,4}$';
    IF retention_days IS NULL OR retention_days > 36500 THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM burgee.settings s
                   WHERE s.name = 'metrics.retention_drops_active' AND s.value = 'on') THEN
        SELECT pg_catalog.array_agg(e.id) INTO running FROM public.ab_test_experiments e
            WHERE e.status IN ('active', 'paused');
    END IF;
    FOR partition, day IN
        SELECT c.relname::text, pg_catalog.to_date(right(c.relname, 8), 'YYYYMMDD')
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.ab_test_metrics'::pg_catalog.regclass
          AND c.relnamespace = 'public'::pg_catalog.regnamespace
          AND c.relname ~ '^ab_test_metrics_[0-9]{8}$'
          AND pg_catalog.to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - retention_days
        ORDER BY c.relname
    LOOP
        kept_because := NULL;
        IF running IS NOT NULL THEN
            EXECUTE pg_catalog.format(
                'SELECT EXISTS (SELECT FROM public.%I m WHERE m.experiment_id = ANY ($1))', partition)
                INTO is_kept USING running;
            IF is_kept THEN
                kept_because := 'an experiment that is not over has rows in it';
            END IF;
        END IF;
        IF kept_because IS NULL AND EXISTS (SELECT FROM burgee.metric_backfill) THEN
            EXECUTE pg_catalog.format(
                'SELECT EXISTS (SELECT FROM public.%I m WHERE m.spool_id IS NULL AND NOT EXISTS ('
                '  SELECT FROM burgee.metric_backfill b'
                '  WHERE b.completed_at IS NOT NULL AND b.round = 1 - coalesce(m.lsn, 0)'
                '     OR b.folds_later_rows AND b.round = -m.lsn))', partition) INTO is_kept;
            IF is_kept THEN
                kept_because := 'rows of other writers in it are not counted yet';
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION burgee.old_metric_partitions() FROM PUBLIC;

-- Drops them; one host does it at a time. Answers their names, '' for none. Needs the table for a moment, all
-- uploads wait behind it: after 2 s it gives way, and the next hour tries again. Experiments whose dates met
-- such a day are noted in burgee.raw_row_gaps.
CREATE OR REPLACE FUNCTION burgee.drop_old_metric_partitions() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET timezone = 'UTC'
    SET lock_timeout = '2s' AS $$
DECLARE
    old record;
    days date[];
    names text[];
BEGIN
    IF NOT EXISTS (SELECT FROM burgee.settings s WHERE s.name = 'metrics.retention_days')
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table
                      WHERE partrelid = 'public.ab_test_metrics'::pg_catalog.regclass)
       OR NOT pg_catalog.pg_try_advisory_xact_lock(
           pg_catalog.hashtext('burgee.metric_partitions')) THEN
        RETURN '';
    END IF;
    -- Looked at first without a lock, then with one on those days alone, where nobody writes any more: the
    -- table itself is held for the dropping only.
    FOR old IN SELECT o.partition FROM burgee.old_metric_partitions() o WHERE o.kept_because IS NULL LOOP
        EXECUTE pg_catalog.format('LOCK TABLE public.%I IN SHARE MODE', old.partition);
        names := names || old.partition;
    END LOOP;
    SELECT pg_catalog.array_agg(o.day), pg_catalog.array_agg(o.partition) INTO days, names
        FROM burgee.old_metric_partitions() o WHERE o.kept_because IS NULL AND o.partition = ANY (names);
    IF names IS NULL THEN
        RETURN '';
    END IF;
    LOCK TABLE public.ab_test_metrics IN ACCESS EXCLUSIVE MODE;
    FOR place IN 1 .. pg_catalog.cardinality(names) LOOP
        EXECUTE pg_catalog.format('DROP TABLE public.%I', names[place]);
    END LOOP;
    INSERT INTO burgee.raw_row_gaps (experiment_id, reason)
    SELECT DISTINCT e.id, 'retention' FROM public.ab_test_experiments e, pg_catalog.unnest(days) d
    WHERE coalesce(e.start_date, '-infinity') < d + 1 AND coalesce(e.end_date, 'infinity') > d
    ON CONFLICT DO NOTHING;
    RETURN pg_catalog.array_to_string(names, ', ');
END
$$;
REVOKE ALL ON FUNCTION burgee.drop_old_metric_partitions() FROM PUBLIC;

DO $$
DECLARE
    calling text;
BEGIN
    FOREACH calling IN ARRAY ARRAY['burgee_writer', 'burgee_owner'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = calling) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION burgee.drop_old_metric_partitions() TO %I', calling);
            EXECUTE format('GRANT EXECUTE ON FUNCTION burgee.old_metric_partitions() TO %I', calling);
        END IF;
    END LOOP;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (12) ON CONFLICT DO NOTHING;
