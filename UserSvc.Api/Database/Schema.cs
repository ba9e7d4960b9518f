using System.Globalization;
using DbUp;
using DbUp.Engine;
using DbUp.Engine.Output;
using DbUp.Engine.Transactions;
using DbUp.Postgresql;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>The schema in the database, and the scripts of this version that lead to it.</summary>
internal sealed class Schema(NpgsqlDataSource dataSource)
{
    private const string Scripts = "UserSvc.Api.Database.Scripts.";
    private const string Journal = "schema_versions";

    /// <summary>Applies the scripts that are missing, all of them in one transaction. Needs no right to create if none is.</summary>
    /// <returns>The number of scripts applied.</returns>
    /// <exception cref="InvalidConfigurationException">The schema is too new, or the role lacks a privilege.</exception>
    public async Task<int> MigrateAsync(CancellationToken cancellationToken)
    {
        // The tables are where the search path finds them; new ones go to its first schema.
        var (name, schema, role, isReadable) = await ReadAsync(
            $"""
            SELECT name, quote_ident(name), quote_ident(current_user), has_table_privilege(journal, 'SELECT')
            FROM to_regclass('{Journal}') AS journal,
                LATERAL (SELECT coalesce((SELECT nspname FROM pg_namespace n JOIN pg_class c ON n.oid = relnamespace WHERE c.oid = journal), current_schema())) AS place (name)
            """,
            row => (row[0] as string, row[1] as string, row.GetString(2), row[3] as bool? ?? true), cancellationToken);
        if (name is null)
        {
            throw new InvalidConfigurationException(
                $"The search path holds no schema that the role {role} may use. GRANT USAGE ON SCHEMA to it, or ALTER ROLE {role} SET search_path.");
        }

        if (!isReadable)
        {
            throw new InvalidConfigurationException($"The role {role} lacks a privilege. GRANT SELECT ON {schema}.{Journal} TO {role}.");
        }

        var connections = new PostgresqlConnectionManager(dataSource);
        var engine = DeployChanges.To
            .PostgresqlDatabase(connections)
            .WithScriptsEmbeddedInAssembly(typeof(Schema).Assembly, name => name.StartsWith(Scripts, StringComparison.Ordinal))
            .JournalTo((_, log) => new LockedJournal(connections, log(), name, Journal, cancellationToken))
            .WithTransaction()
            // In PostgreSQL $body$ is a quote, not a variable.
            .WithVariablesDisabled()
            .WithExecutionTimeout(TimeSpan.FromMinutes(1))
            .LogToNowhere()
            .Build();
        // It blocks. Here, that could be the thread that has to read PostgreSQL's answers.
        var result = await Task.Run(engine.PerformUpgrade, CancellationToken.None);
        if (result.Error is PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege })
        {
            throw new InvalidConfigurationException(
                $"The role {role} may not create the tables. Start an instance as their owner first, or GRANT CREATE, USAGE ON SCHEMA {schema} TO {role}.", result.Error);
        }

        if (!result.Successful)
        {
            throw result.Error;
        }

        if (await ReadAsync(
            "SELECT string_agg(p, ', ') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p WHERE NOT has_table_privilege('users', p)",
            row => row[0] as string, cancellationToken) is { } missing)
        {
            throw new InvalidConfigurationException($"The role {role} lacks privileges. GRANT {missing} ON {schema}.users TO {role}.");
        }

        return result.Scripts.Count();
    }

    // A script works for the version before it, too, which may restart during a rolling update. Not for one before that.
    private static void RequireKnown(string[] executed)
    {
        var known = typeof(Schema).Assembly.GetManifestResourceNames().Max(Number);
        var applied = executed.Max(Number);
        if (applied > known + 1)
        {
            throw new InvalidConfigurationException(
                $"The schema is newer than this version of the service: script {applied} was applied, and this version has {known}. Start the newer version.");
        }
    }

    // UserSvc.Api.Database.Scripts.0001_users.sql
    private static int? Number(string script) =>
        script.StartsWith(Scripts, StringComparison.Ordinal)
        && int.TryParse(script[Scripts.Length..].Split('_')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private async Task<T> ReadAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return read(reader);
    }

    /// <summary>
    /// Reads the journal under a lock, so that any number of instances may migrate at once. It ends with the transaction, not with the session,
    /// which behind a connection pooler outlives ours.
    /// </summary>
    private sealed class LockedJournal(IConnectionManager connections, IUpgradeLog log, string schema, string table, CancellationToken cancellationToken)
        : PostgresqlTableJournal(() => connections, () => log, schema, table), IJournal
    {
        // Arbitrary, but the same in every version.
        private const string Lock = "SELECT pg_advisory_xact_lock(736572737663)";

        string[] IJournal.GetExecutedScripts()
        {
            connections.ExecuteCommandsWithManagedConnection(createCommand =>
            {
                using var command = createCommand();
                command.CommandText = Lock;
                // How long another instance may migrate.
                command.CommandTimeout = 60;
                using (cancellationToken.Register(command.Cancel))
                {
                    command.ExecuteNonQuery();
                }
            });
            var executed = GetExecutedScripts();
            RequireKnown(executed);
            return executed;
        }
    }
}
