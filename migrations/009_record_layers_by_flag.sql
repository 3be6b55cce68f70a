-- Layers reach hosts: one line of history for each flag whose slots changed, instead of one for each of
-- up to 10 000 slots, and in a form that names the flag. Truncated segments and slots are noticed.
--
-- A statement trigger sees a whole statement at once but cannot wait for the commit, and whoever takes a
-- revision holds everybody else's up until he commits: somebody who deletes a flag in psql, whose slots go
-- with it, and then has lunch would hold up every switch. So the statement trigger only notes what changed
-- in burgee.layer_changes, and a deferred row trigger there turns the notes into history at the commit.
-- By hand: after 008, psql -v ON_ERROR_STOP=1 --single-transaction -f 009_record_layers_by_flag.sql

CREATE INDEX IF NOT EXISTS layer_slots_flag ON burgee.layer_slots (flag_id, layer, slot);

-- Notes of the open transaction; empty to everybody else, because the commit takes them away again.
CREATE TABLE IF NOT EXISTS burgee.layer_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    layer text NOT NULL,
    before jsonb,  -- {"flag_id": ..., "slots": [[first, last], ...]} that the flag lost; NULL: none
    after jsonb    -- likewise, that it gained
);

-- Slots, ascending and without doubles, as ranges: {0,1,2,9} is [[0, 2], [9, 9]].
CREATE OR REPLACE FUNCTION burgee.slot_ranges(slots integer[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(run.first, run.last) ORDER BY run.first)
    FROM (SELECT min(place.slot) AS first, max(place.slot) AS last
          FROM pg_catalog.unnest(slots) WITH ORDINALITY AS place (slot, number)
          GROUP BY place.slot - place.number) AS run
$$;
REVOKE ALL ON FUNCTION burgee.slot_ranges(integer[]) FROM PUBLIC;

-- Statement trigger. A slot that a statement writes without changing it is no change.
CREATE OR REPLACE FUNCTION burgee.note_layer_slots() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO burgee.layer_changes (layer, after)
        SELECT g.layer, pg_catalog.jsonb_build_object('flag_id', g.flag_id, 'slots',
                   burgee.slot_ranges(pg_catalog.array_agg(g.slot ORDER BY g.slot)))
        FROM gained g GROUP BY g.layer, g.flag_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO burgee.layer_changes (layer, before)
        SELECT l.layer, pg_catalog.jsonb_build_object('flag_id', l.flag_id, 'slots',
                   burgee.slot_ranges(pg_catalog.array_agg(l.slot ORDER BY l.slot)))
        FROM lost l GROUP BY l.layer, l.flag_id;
    ELSE
        INSERT INTO burgee.layer_changes (layer, before, after)
        SELECT c.layer,
               CASE WHEN c.lost IS NOT NULL THEN pg_catalog.jsonb_build_object(
                   'flag_id', c.flag_id, 'slots', burgee.slot_ranges(c.lost)) END,
               CASE WHEN c.gained IS NOT NULL THEN pg_catalog.jsonb_build_object(
                   'flag_id', c.flag_id, 'slots', burgee.slot_ranges(c.gained)) END
        FROM (SELECT coalesce(l.layer, g.layer) AS layer, coalesce(l.flag_id, g.flag_id) AS flag_id,
                     pg_catalog.array_agg(l.slot ORDER BY l.slot)
                         FILTER (WHERE l.slot IS NOT NULL) AS lost,
                     pg_catalog.array_agg(g.slot ORDER BY g.slot)
                         FILTER (WHERE g.slot IS NOT NULL) AS gained
              FROM lost l FULL JOIN gained g USING (layer, slot, flag_id)
              WHERE l.slot IS NULL OR g.slot IS NULL
              GROUP BY 1, 2) AS c;
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN serialization_failure OR deadlock_detected THEN RAISE;
    -- Nothing else may fail who writes slots: hosts find the change by their regular full read.
    WHEN OTHERS THEN
        RAISE WARNING 'burgee: this change has no history and reaches hosts late: %', SQLERRM;
        RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION burgee.note_layer_slots() FROM PUBLIC;

-- Deferred row trigger: at the commit a note becomes history and goes.
CREATE OR REPLACE FUNCTION burgee.record_layer_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM burgee.record_change('layer', NEW.layer, NEW.before, NEW.after);
    DELETE FROM burgee.layer_changes c WHERE c.id = NEW.id;
    RETURN NULL;
EXCEPTION
    WHEN serialization_failure OR deadlock_detected THEN RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'burgee: this change has no history and reaches hosts late: %', SQLERRM;
        RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION burgee.record_layer_change() FROM PUBLIC;

DROP TRIGGER IF EXISTS burgee_record_row ON burgee.layer_changes;
CREATE CONSTRAINT TRIGGER burgee_record_row AFTER INSERT ON burgee.layer_changes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION burgee.record_layer_change();

DROP TRIGGER IF EXISTS burgee_record_row ON burgee.layer_slots;
DROP TRIGGER IF EXISTS burgee_note_insert ON burgee.layer_slots;
CREATE TRIGGER burgee_note_insert AFTER INSERT ON burgee.layer_slots
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.note_layer_slots();
DROP TRIGGER IF EXISTS burgee_note_update ON burgee.layer_slots;
CREATE TRIGGER burgee_note_update AFTER UPDATE ON burgee.layer_slots
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.note_layer_slots();
DROP TRIGGER IF EXISTS burgee_note_delete ON burgee.layer_slots;
CREATE TRIGGER burgee_note_delete AFTER DELETE ON burgee.layer_slots
    REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.note_layer_slots();

DROP TRIGGER IF EXISTS burgee_record_truncate ON burgee.layer_slots;
CREATE TRIGGER burgee_record_truncate AFTER TRUNCATE ON burgee.layer_slots
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.record_truncate();
DROP TRIGGER IF EXISTS burgee_record_truncate ON burgee.segments;
CREATE TRIGGER burgee_record_truncate AFTER TRUNCATE ON burgee.segments
    FOR EACH STATEMENT EXECUTE FUNCTION burgee.record_truncate();

DO $$
DECLARE
    reader text;
BEGIN
    -- As the other tables of the schema have it: 007 gave these two the right to read them all.
    FOREACH reader IN ARRAY ARRAY['burgee_reader', 'burgee_owner'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT SELECT ON burgee.layer_changes TO %I', reader);
        END IF;
    END LOOP;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (9) ON CONFLICT DO NOTHING;
