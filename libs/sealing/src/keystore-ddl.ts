/** Role and schema names go into DDL as quoted identifiers. */
const quoted = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * The key store's own schema, `keystore`: idempotent DDL, run by an administrator who may create
 * roles, in one query. Its tables belong to `ownerRole`, which cannot
 * log in and is created when missing; `userRoles` must exist and get EXECUTE on the functions, nothing on the tables.
 *
 * `durable` is false for rows that the asking transaction itself has made and may still roll back: those are not cached.
 * A destroyed action keeps its row without a key.
 */
export const keystoreDdl = (ownerRole: string, userRoles: readonly string[]): string => `
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(ownerRole)}) THEN
    CREATE ROLE ${quoted(ownerRole)} NOLOGIN;
    -- For administrators that are no superusers: SET ROLE below needs it.
    GRANT ${quoted(ownerRole)} TO CURRENT_USER;
  END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS keystore AUTHORIZATION ${quoted(ownerRole)};
SET ROLE ${quoted(ownerRole)};

CREATE TABLE IF NOT EXISTS keystore.tenant_key (
  tenant text PRIMARY KEY,
  wrapped bytea NOT NULL,
  made_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS keystore.action_key (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  wrapped bytea,
  made_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  destroyed_at timestamptz,
  PRIMARY KEY (tenant, action_id),
  CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE OR REPLACE FUNCTION keystore.read_tenant_key(p_tenant text)
RETURNS TABLE (wrapped bytea, durable boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = keystore, pg_temp AS $$
  SELECT k.wrapped, k.made_by IS DISTINCT FROM pg_current_xact_id_if_assigned() FROM keystore.tenant_key k WHERE k.tenant = p_tenant
$$;

CREATE OR REPLACE FUNCTION keystore.keep_tenant_key(p_tenant text, p_wrapped bytea)
RETURNS TABLE (wrapped bytea, durable boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = keystore, pg_temp AS $$
BEGIN
  INSERT INTO keystore.tenant_key (tenant, wrapped) VALUES (p_tenant, p_wrapped) ON CONFLICT (tenant) DO NOTHING;
  RETURN QUERY SELECT * FROM keystore.read_tenant_key(p_tenant);
END $$;

CREATE OR REPLACE FUNCTION keystore.read_action_keys(p_tenant text, p_action_ids uuid[])
RETURNS TABLE (action_id uuid, wrapped bytea, durable boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = keystore, pg_temp AS $$
  SELECT k.action_id, k.wrapped, k.made_by IS DISTINCT FROM pg_current_xact_id_if_assigned()
  FROM keystore.action_key k WHERE k.tenant = p_tenant AND k.action_id = ANY (p_action_ids)
$$;

CREATE OR REPLACE FUNCTION keystore.keep_action_keys(p_tenant text, p_action_ids uuid[], p_wrapped bytea[])
RETURNS TABLE (action_id uuid, wrapped bytea, durable boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = keystore, pg_temp AS $$
BEGIN
  -- Sorted, so that two batches that share actions wait for each other in one order.
  INSERT INTO keystore.action_key (tenant, action_id, wrapped)
  SELECT p_tenant, given.id, given.wrapped FROM unnest(p_action_ids, p_wrapped) AS given (id, wrapped) ORDER BY given.id
  ON CONFLICT ON CONSTRAINT action_key_pkey DO NOTHING;
  RETURN QUERY SELECT * FROM keystore.read_action_keys(p_tenant, p_action_ids);
END $$;

CREATE OR REPLACE FUNCTION keystore.add_action_keys(p_tenant text, p_action_ids uuid[], p_wrapped bytea[])
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = keystore, pg_temp AS $$
  INSERT INTO keystore.action_key (tenant, action_id, wrapped)
  SELECT p_tenant, given.id, given.wrapped FROM unnest(p_action_ids, p_wrapped) AS given (id, wrapped)
$$;

CREATE OR REPLACE FUNCTION keystore.destroy_action_key(p_tenant text, p_action_id uuid)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = keystore, pg_temp AS $$
  INSERT INTO keystore.action_key (tenant, action_id, wrapped, destroyed_at) VALUES (p_tenant, p_action_id, NULL, clock_timestamp())
  ON CONFLICT ON CONSTRAINT action_key_pkey DO UPDATE SET wrapped = NULL, destroyed_at = coalesce(action_key.destroyed_at, excluded.destroyed_at)
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA keystore FROM PUBLIC;
${userRoles.map((role) => `GRANT USAGE ON SCHEMA keystore TO ${quoted(role)};\nGRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA keystore TO ${quoted(role)};`).join('\n')}
RESET ROLE;
`;
