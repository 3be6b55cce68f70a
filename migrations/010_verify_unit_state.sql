-- What `burgee db verify` needs to compute unit state a second time from the raw rows: the hash of a
-- unit's text, which rows of the former system do not carry, and the experiments of which raw rows are
-- known to be missing.
-- By hand: after 009, psql -v ON_ERROR_STOP=1 --single-transaction -f 010_verify_unit_state.sql

-- Experiments whose raw rows are not all there although nobody deleted any by hand.
CREATE TABLE IF NOT EXISTS burgee.raw_row_gaps (
    experiment_id uuid NOT NULL,
    reason text NOT NULL CHECK (reason IN ('raw rows off', 'retention')),
    noted_at timestamptz NOT NULL DEFAULT now(),  -- when it was first so
    PRIMARY KEY (experiment_id, reason)
);

-- XXH3-64 with seed 0, the one hash of burgee, of up to 512 bytes: source, https://xxhash.com and xxhash.h
-- 0.8. PostgreSQL's integers refuse to overflow, so sums and products are numeric and wrapped at the end.
-- The four functions before unit_hash() are its parts; without a SET clause, so that PostgreSQL inlines them.

-- Eight bytes from `place`, counted from 0, as a little endian word.
CREATE OR REPLACE FUNCTION burgee.word_at(bytes bytea, place integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT get_byte(bytes, place)::bigint
         | (get_byte(bytes, place + 1)::bigint << 8) | (get_byte(bytes, place + 2)::bigint << 16)
         | (get_byte(bytes, place + 3)::bigint << 24) | (get_byte(bytes, place + 4)::bigint << 32)
         | (get_byte(bytes, place + 5)::bigint << 40) | (get_byte(bytes, place + 6)::bigint << 48)
         | (get_byte(bytes, place + 7)::bigint << 56)
$$;

-- The low 64 bits of a whole number of any size and sign.
CREATE OR REPLACE FUNCTION burgee.wrapped(number numeric) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    rest numeric := number % 18446744073709551616;
BEGIN
    RETURN CASE WHEN rest > 9223372036854775807 THEN rest - 18446744073709551616
                WHEN rest < -9223372036854775808 THEN rest + 18446744073709551616
                ELSE rest END;
END
$$;

-- Both halves of the 128-bit product of two words, taken as unsigned, XORed.
CREATE OR REPLACE FUNCTION burgee.folded_product(one bigint, other bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    product numeric := (CASE WHEN one < 0 THEN one + 18446744073709551616 ELSE one END)
        * (CASE WHEN other < 0 THEN other + 18446744073709551616 ELSE other END);
    high numeric := div(product, 18446744073709551616);
    low numeric := product - high * 18446744073709551616;
BEGIN
    RETURN (CASE WHEN high > 9223372036854775807 THEN high - 18446744073709551616 ELSE high END)::bigint
         # (CASE WHEN low > 9223372036854775807 THEN low - 18446744073709551616 ELSE low END)::bigint;
END
$$;

-- XXH3_avalanche(): every bit of the word moves every bit of the result.
CREATE OR REPLACE FUNCTION burgee.avalanche(number numeric) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    word bigint := burgee.wrapped(number);
BEGIN
    word := burgee.wrapped((word # (word >> 37 & 134217727)) * 1609587791953885689::numeric);
    RETURN word # (word >> 32 & 4294967295);
END
$$;

-- What the key of unit state is for a unit of this text; NULL above 512 bytes, which no unit has.
CREATE OR REPLACE FUNCTION burgee.unit_hash(unit text) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = '' AS $$
DECLARE
    secret CONSTANT bytea := '\xb8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f'
        'cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea3'
        '71644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364'
        'eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce'
        '45cb3a8f95160428afd7fbcabb4b407e';
    bytes bytea := pg_catalog.convert_to(unit, 'UTF8');
    size CONSTANT integer := pg_catalog.length(bytes);
    total numeric := size * 11400714785074694791;  -- PRIME64_1, where the sum of the longer ones begins
    word bigint;
    other bigint;
    lanes numeric[];
    place integer;
    secret_place integer;
BEGIN
    IF size > 512 THEN
        RETURN NULL;
    ELSIF size > 240 THEN
        lanes := ARRAY[3266489917, 11400714785074694791, 14029467366897019727, 1609587929392839161,
                       9650029242287828579, 2246822519, 2870177450012600261, 2654435761];
        FOR stripe IN 0 .. (size - 1) / 64 LOOP  -- the last one ends where the text ends
            place := CASE WHEN stripe = (size - 1) / 64 THEN size - 64 ELSE stripe * 64 END;
            secret_place := CASE WHEN stripe = (size - 1) / 64 THEN 121 ELSE stripe * 8 END;
            FOR lane IN 0 .. 7 LOOP
                word := burgee.word_at(bytes, place + 8 * lane);
                other := word # burgee.word_at(secret, secret_place + 8 * lane);
                lanes[1 + (lane # 1)] := lanes[1 + (lane # 1)] + word;
                lanes[1 + lane] := lanes[1 + lane]
                    + (other & 4294967295)::numeric * (other >> 32 & 4294967295);
            END LOOP;
        END LOOP;
        FOR pair IN 0 .. 3 LOOP
            total := total + burgee.folded_product(
                burgee.wrapped(lanes[1 + 2 * pair]) # burgee.word_at(secret, 11 + 16 * pair),
                burgee.wrapped(lanes[2 + 2 * pair]) # burgee.word_at(secret, 19 + 16 * pair));
        END LOOP;
        RETURN burgee.avalanche(total);
    ELSIF size > 128 THEN
        FOR part IN 0 .. size / 16 - 1 LOOP
            secret_place := CASE WHEN part < 8 THEN part * 16 ELSE part * 16 - 125 END;
            total := total + burgee.folded_product(
                burgee.word_at(bytes, part * 16) # burgee.word_at(secret, secret_place),
                burgee.word_at(bytes, part * 16 + 8) # burgee.word_at(secret, secret_place + 8));
            IF part = 7 THEN
                total := burgee.avalanche(total);
            END IF;
        END LOOP;
        RETURN burgee.avalanche(total + burgee.folded_product(
            burgee.word_at(bytes, size - 16) # burgee.word_at(secret, 119),
            burgee.word_at(bytes, size - 8) # burgee.word_at(secret, 127)));
    ELSIF size > 16 THEN
        FOR part IN 0 .. (size - 1) / 32 LOOP  -- from both ends towards the middle
            place := size - 16 - part * 16;
            total := total + burgee.folded_product(
                burgee.word_at(bytes, part * 16) # burgee.word_at(secret, part * 32),
                burgee.word_at(bytes, part * 16 + 8) # burgee.word_at(secret, part * 32 + 8))
                + burgee.folded_product(
                burgee.word_at(bytes, place) # burgee.word_at(secret, part * 32 + 16),
                burgee.word_at(bytes, place + 8) # burgee.word_at(secret, part * 32 + 24));
        END LOOP;
        RETURN burgee.avalanche(total);
    ELSIF size > 8 THEN
        word := burgee.word_at(bytes, 0) # burgee.word_at(secret, 24) # burgee.word_at(secret, 32);
        other := burgee.word_at(bytes, size - 8) # burgee.word_at(secret, 40)
            # burgee.word_at(secret, 48);
        total := size + other::numeric + burgee.folded_product(word, other);
        FOR byte IN 0 .. 7 LOOP  -- the first word's bytes in reverse
            other := other << 8 | (word >> 8 * byte & 255);
        END LOOP;
        RETURN burgee.avalanche(total + other);
    ELSIF size > 3 THEN
        bytes := pg_catalog.substr(bytes, 1, 4) || pg_catalog.substr(bytes, size - 3);
        word := burgee.word_at(bytes, 0);
        word := (word << 32 | (word >> 32 & 4294967295))
            # burgee.word_at(secret, 8) # burgee.word_at(secret, 16);
        word := word # (word << 49 | (word >> 15 & 562949953421311))
            # (word << 24 | (word >> 40 & 16777215));
        word := burgee.wrapped(word * 11507291218515648293);
        word := burgee.wrapped((word # ((word >> 35 & 536870911) + size)) * 11507291218515648293);
        RETURN word # (word >> 28 & 68719476735);
    ELSIF size > 0 THEN
        word := pg_catalog.get_byte(bytes, 0)::bigint << 16
            | (pg_catalog.get_byte(bytes, size / 2)::bigint << 24)
            | pg_catalog.get_byte(bytes, size - 1) | (size << 8);
        other := burgee.word_at(secret, 0);
        word := word # ((other # (other >> 32)) & 4294967295);
    ELSE
        word := burgee.word_at(secret, 56) # burgee.word_at(secret, 64);
    END IF;
    word := burgee.wrapped((word # (word >> 33 & 2147483647)) * 14029467366897019727);  -- XXH64_avalanche()
    word := burgee.wrapped((word # (word >> 29 & 34359738367)) * 1609587929392839161::numeric);
    RETURN word # (word >> 32 & 4294967295);
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_reader') THEN
        GRANT SELECT ON burgee.raw_row_gaps TO burgee_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_owner') THEN
        GRANT SELECT ON burgee.raw_row_gaps TO burgee_owner;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_writer') THEN
        GRANT SELECT, INSERT ON burgee.raw_row_gaps TO burgee_writer;
    END IF;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (10) ON CONFLICT DO NOTHING;
