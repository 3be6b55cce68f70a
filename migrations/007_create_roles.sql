-- Three roles nobody logs in as: grant them to those who do. Where this login may not create roles,
-- everything else still works and the owner of the tables grants by hand (docs/database.md).
-- By hand: after 006, psql -v ON_ERROR_STOP=1 --single-transaction -f 007_create_roles.sql

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['burgee_reader', 'burgee_writer', 'burgee_owner'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION
            -- Roles belong to the whole cluster: another database may create them at this moment.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'burgee: role % was not created: %', wanted, SQLERRM;
        END;
    END LOOP;

    -- Reads flags, for hosts and for people who only look.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_reader') THEN
        GRANT USAGE ON SCHEMA burgee TO burgee_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA burgee TO burgee_reader;
        GRANT SELECT ON public.feature_flags, public.ab_test_experiments TO burgee_reader;
    END IF;

    -- Writes events and what is counted from them; may neither read raw events nor delete anything.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_writer') THEN
        GRANT USAGE ON SCHEMA burgee TO burgee_writer;
        GRANT SELECT ON public.feature_flags, public.ab_test_experiments TO burgee_writer;
        GRANT INSERT ON public.ab_test_metrics TO burgee_writer;
        GRANT SELECT ON burgee.schema_version, burgee.settings, burgee.revision,
            burgee.experiment_phases TO burgee_writer;
        GRANT SELECT, INSERT, UPDATE ON burgee.spool_cursor, burgee.unit_metrics, burgee.hosts
            TO burgee_writer;
        GRANT SELECT, INSERT ON burgee.cells TO burgee_writer;
        GRANT INSERT ON burgee.dead_letter TO burgee_writer;
        GRANT EXECUTE ON FUNCTION burgee.ensure_metric_partitions(integer) TO burgee_writer;
    END IF;

    -- Everything a person needs who runs flags and experiments.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_owner') THEN
        GRANT USAGE ON SCHEMA burgee TO burgee_owner;
        GRANT SELECT, INSERT, UPDATE, DELETE ON public.feature_flags, public.ab_test_experiments,
            burgee.settings, burgee.segments, burgee.layers, burgee.layer_slots,
            burgee.experiment_phases, burgee.experiment_results TO burgee_owner;
        GRANT SELECT ON ALL TABLES IN SCHEMA burgee TO burgee_owner;
        GRANT SELECT ON public.ab_test_metrics TO burgee_owner;
        GRANT EXECUTE ON FUNCTION burgee.ensure_metric_partitions(integer) TO burgee_owner;
    END IF;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (7) ON CONFLICT DO NOTHING;
