-- Not TimescaleDB. Signatures as in its API reference, and of its checks those that arbml could violate. A hypertable is a table
-- partitioned by PostgreSQL itself, in a few fixed ranges; policies do nothing. Two statements that plain PostgreSQL cannot parse arrive as calls of standin_compress and standin_aggregate.

CREATE SCHEMA timescaledb_information;
CREATE TABLE standin_hypertables (
  name name PRIMARY KEY, schema name NOT NULL, column_name name NOT NULL, chunk_ms bigint NOT NULL, now_func name,
  compressed boolean NOT NULL DEFAULT false
);
CREATE TABLE standin_aggregates (name name PRIMARY KEY, schema name NOT NULL, width bigint NOT NULL);
CREATE TABLE standin_jobs (
  id serial PRIMARY KEY, proc_name name NOT NULL, relation name NOT NULL, schema name NOT NULL, config jsonb NOT NULL,
  UNIQUE (proc_name, relation)
);

CREATE VIEW timescaledb_information.hypertables AS
  SELECT schema AS hypertable_schema, name AS hypertable_name, compressed AS compression_enabled FROM standin_hypertables;
CREATE VIEW timescaledb_information.dimensions AS
  SELECT schema AS hypertable_schema, name AS hypertable_name, column_name, chunk_ms AS integer_interval, now_func AS integer_now_func
  FROM standin_hypertables;
CREATE VIEW timescaledb_information.continuous_aggregates AS
  SELECT schema AS view_schema, name AS view_name, '_timescaledb_internal'::name AS materialization_hypertable_schema,
    ('_materialized_' || name)::name AS materialization_hypertable_name FROM standin_aggregates;
CREATE VIEW timescaledb_information.jobs AS  -- a refresh policy under the hidden table of its aggregate
  SELECT j.id AS job_id, j.proc_name, j.config,
    CASE WHEN a.name IS NULL THEN j.schema ELSE '_timescaledb_internal'::name END AS hypertable_schema,
    CASE WHEN a.name IS NULL THEN j.relation ELSE ('_materialized_' || a.name)::name END AS hypertable_name
  FROM standin_jobs j LEFT JOIN standin_aggregates a ON a.name = j.relation;

CREATE FUNCTION standin_name(relation regclass) RETURNS name LANGUAGE sql STABLE AS
  $$ SELECT relname FROM pg_class WHERE oid = relation $$;
CREATE FUNCTION standin_key_columns(relation regclass) RETURNS TABLE (index_oid oid, column_name name) LANGUAGE sql STABLE AS $$
  SELECT i.indexrelid, a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = relation AND i.indisunique $$;

CREATE FUNCTION standin_partition(relation regclass, time_column name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  this name := standin_name(relation);
  plain name := standin_name(relation) || '_plain';
  ends bigint[] := ARRAY[0, 2000, 10000, 1704412800000, 1704412900000, 1800000000000];
  key_name name; key text;
BEGIN
  SELECT conname, pg_get_constraintdef(oid) INTO key_name, key FROM pg_constraint WHERE conrelid = relation AND contype = 'p';
  EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT %I TO %I', this, key_name, key_name || '_plain');
  EXECUTE format('ALTER TABLE %I RENAME TO %I', this, plain);
  EXECUTE format('CREATE TABLE %I (LIKE %I) PARTITION BY RANGE (%I)', this, plain, time_column);
  EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', this, key_name, key);
  EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%s)', this || '_0', this, ends[1]);
  FOR i IN 2 .. cardinality(ends) LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)', this || '_' || i, this, ends[i - 1], ends[i]);
  END LOOP;
  EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', this || '_rest', this);
  EXECUTE format('INSERT INTO %I SELECT * FROM %I', this, plain);
  EXECUTE format('DROP TABLE %I', plain);
END $$;

CREATE FUNCTION create_hypertable(
  relation regclass, time_column_name name, partitioning_column name = NULL, number_partitions integer = NULL,
  associated_schema_name name = NULL, associated_table_prefix name = NULL, chunk_time_interval anyelement = NULL::bigint,
  create_default_indexes boolean = TRUE, if_not_exists boolean = FALSE, partitioning_func regproc = NULL,
  migrate_data boolean = FALSE, chunk_target_size text = NULL, chunk_sizing_func regproc = NULL, time_partitioning_func regproc = NULL
) RETURNS TABLE (hypertable_id int, schema_name name, table_name name, created boolean) LANGUAGE plpgsql AS $$
DECLARE wrong oid; filled boolean; kind regtype;
BEGIN
  IF EXISTS (SELECT FROM standin_hypertables h WHERE h.name = standin_name(relation)) THEN
    IF if_not_exists THEN RETURN; END IF;
    RAISE EXCEPTION 'table "%" is already a hypertable', relation;
  END IF;
  SELECT atttypid::regtype INTO kind FROM pg_attribute WHERE attrelid = relation AND attname = time_column_name;
  IF kind IS DISTINCT FROM 'bigint'::regtype THEN RAISE EXCEPTION 'no bigint column "%"', time_column_name; END IF;
  IF chunk_time_interval IS NULL THEN RAISE EXCEPTION 'integer dimensions require an explicit interval'; END IF;
  SELECT i.indexrelid INTO wrong FROM pg_index i WHERE i.indrelid = relation AND i.indisunique AND NOT EXISTS (
    SELECT FROM standin_key_columns(relation) k WHERE k.index_oid = i.indexrelid AND k.column_name = time_column_name);
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'cannot create a unique index without the column "%" (used in partitioning)', time_column_name USING ERRCODE = 'TS103';
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO filled;
  IF filled AND NOT migrate_data THEN RAISE EXCEPTION 'table "%" is not empty', relation; END IF;
  INSERT INTO standin_hypertables VALUES (standin_name(relation), current_schema(), time_column_name, chunk_time_interval::bigint);
  PERFORM standin_partition(relation, time_column_name);
  RETURN QUERY SELECT 1, current_schema()::name, time_column_name, true;
END $$;

CREATE FUNCTION set_integer_now_func(hypertable regclass, integer_now_func regproc, replace_if_exists boolean = FALSE)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE f pg_proc;
BEGIN
  SELECT * INTO f FROM pg_proc WHERE oid = integer_now_func;
  IF f.pronargs <> 0 OR f.prorettype <> 'bigint'::regtype OR f.provolatile NOT IN ('i', 's') THEN
    RAISE EXCEPTION 'invalid custom time function';
  END IF;
  IF NOT replace_if_exists AND EXISTS (SELECT FROM standin_hypertables WHERE name = standin_name(hypertable) AND now_func IS NOT NULL) THEN
    RAISE EXCEPTION 'custom time function already set for hypertable "%"', hypertable;
  END IF;
  UPDATE standin_hypertables SET now_func = f.proname WHERE name = standin_name(hypertable);
  IF NOT FOUND THEN RAISE EXCEPTION 'table "%" is not a hypertable', hypertable; END IF;
END $$;

CREATE FUNCTION standin_compress(hypertable regclass, segment_by text, order_by text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE missing name; named name[];
BEGIN
  IF current_setting('timescaledb.license', true) = 'apache' THEN
    RAISE EXCEPTION 'functionality not supported under the current "apache" license. Learn more at https://timescale.com/.';
  END IF;
  named := string_to_array(replace(segment_by || ',' || order_by, ' ', ''), ',')::name[];
  SELECT column_name INTO missing FROM standin_key_columns(hypertable) k WHERE NOT k.column_name = ANY (named);
  IF missing IS NOT NULL THEN RAISE EXCEPTION 'column "%" must be used for segmenting or ordering', missing; END IF;
  IF (SELECT count(DISTINCT attname) FROM pg_attribute WHERE attrelid = hypertable AND attname = ANY (named)) <> cardinality(named) THEN
    RAISE EXCEPTION 'a column that does not exist, or twice: %', named;
  END IF;
  UPDATE standin_hypertables SET compressed = true WHERE name = standin_name(hypertable);
  IF NOT FOUND THEN RAISE EXCEPTION 'table "%" is not a hypertable', hypertable; END IF;
END $$;

CREATE FUNCTION standin_aggregate(view_name name, width bigint, query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE source name := (regexp_match(query, 'FROM (\w+) GROUP BY'))[1];
BEGIN
  IF NOT EXISTS (SELECT FROM standin_hypertables WHERE name = source AND now_func IS NOT NULL) THEN
    RAISE EXCEPTION 'custom time function required on hypertable "%"', source;
  END IF;
  EXECUTE format('CREATE VIEW %I AS %s', view_name, query);
  INSERT INTO standin_aggregates VALUES (view_name, current_schema(), width);
END $$;

CREATE FUNCTION standin_policy(procedure name, target name, config jsonb, if_not_exists boolean) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM standin_jobs WHERE proc_name = procedure AND relation = target) THEN
    IF if_not_exists THEN RETURN -1; END IF;
    RAISE EXCEPTION 'policy already exists for "%"', target;
  END IF;
  INSERT INTO standin_jobs (proc_name, relation, schema, config) VALUES (procedure, target, current_schema(), config);
  RETURN 1000;
END $$;
CREATE FUNCTION standin_age(hypertable regclass, age anyelement) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_typeof(age) <> 'bigint'::regtype THEN RAISE EXCEPTION 'invalid value for parameter: % is no bigint', age; END IF;
  IF NOT EXISTS (SELECT FROM standin_hypertables WHERE name = standin_name(hypertable)) THEN
    RAISE EXCEPTION 'table "%" is not a hypertable', hypertable;
  END IF;
  IF NOT EXISTS (SELECT FROM standin_hypertables WHERE name = standin_name(hypertable) AND now_func IS NOT NULL) THEN
    RAISE EXCEPTION 'integer_now function not set';
  END IF;
END $$;
CREATE FUNCTION add_compression_policy(hypertable regclass, compress_after anyelement, if_not_exists boolean = FALSE)
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  PERFORM standin_age(hypertable, compress_after);
  IF NOT EXISTS (SELECT FROM standin_hypertables WHERE name = standin_name(hypertable) AND compressed) THEN
    RAISE EXCEPTION 'compression not enabled on hypertable "%"', hypertable;
  END IF;
  RETURN standin_policy('policy_compression', standin_name(hypertable), jsonb_build_object('compress_after', compress_after), if_not_exists);
END $$;
CREATE FUNCTION add_retention_policy(relation regclass, drop_after anyelement, if_not_exists boolean = FALSE)
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  PERFORM standin_age(relation, drop_after);
  RETURN standin_policy('policy_retention', standin_name(relation), jsonb_build_object('drop_after', drop_after), if_not_exists);
END $$;
CREATE FUNCTION add_continuous_aggregate_policy(
  continuous_aggregate regclass, start_offset anyelement, end_offset anyelement, schedule_interval interval, if_not_exists boolean = FALSE
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE bucket bigint;
BEGIN
  SELECT width INTO bucket FROM standin_aggregates WHERE name = standin_name(continuous_aggregate);
  IF NOT FOUND THEN RAISE EXCEPTION '"%" is not a continuous aggregate', continuous_aggregate; END IF;
  IF pg_typeof(end_offset) <> 'bigint'::regtype THEN RAISE EXCEPTION 'invalid parameter value for end_offset'; END IF;
  IF start_offset - end_offset < 2 * bucket THEN
    RAISE EXCEPTION 'policy refresh window too small' USING DETAIL = 'The start and end offsets must cover at least two buckets.';
  END IF;
  RETURN standin_policy('policy_refresh_continuous_aggregate', standin_name(continuous_aggregate),
    jsonb_build_object('start_offset', start_offset, 'end_offset', end_offset), if_not_exists);
END $$;
CREATE FUNCTION standin_remove(procedure name, target regclass, quiet boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM standin_jobs WHERE proc_name = procedure AND relation = standin_name(target);
  IF NOT FOUND AND NOT quiet THEN RAISE EXCEPTION 'no such policy on "%"', target; END IF;
END $$;
CREATE FUNCTION remove_retention_policy(relation regclass, if_exists boolean = FALSE) RETURNS void LANGUAGE sql AS
  $$ SELECT standin_remove('policy_retention', relation, if_exists) $$;
CREATE FUNCTION remove_continuous_aggregate_policy(continuous_aggregate regclass, if_not_exists boolean = FALSE) RETURNS void LANGUAGE sql AS
  $$ SELECT standin_remove('policy_refresh_continuous_aggregate', continuous_aggregate, if_not_exists) $$;

CREATE FUNCTION time_bucket(bucket_width bigint, ts bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  $$ SELECT ts - ((ts % bucket_width) + bucket_width) % bucket_width $$;
-- The real ones take any type that has an operator < for exactly itself, which an array type has not.
CREATE TYPE standin_bookend AS (value double precision, place numeric);
CREATE FUNCTION standin_first(state standin_bookend, value double precision, place numeric) RETURNS standin_bookend LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN state IS NULL OR place < (state).place THEN ROW(value, place)::standin_bookend ELSE state END $$;
CREATE FUNCTION standin_last(state standin_bookend, value double precision, place numeric) RETURNS standin_bookend LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE WHEN state IS NULL OR place > (state).place THEN ROW(value, place)::standin_bookend ELSE state END $$;
CREATE FUNCTION standin_value(state standin_bookend) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$ SELECT (state).value $$;
CREATE AGGREGATE first(double precision, numeric) (SFUNC = standin_first, STYPE = standin_bookend, FINALFUNC = standin_value);
CREATE AGGREGATE last(double precision, numeric) (SFUNC = standin_last, STYPE = standin_bookend, FINALFUNC = standin_value);
