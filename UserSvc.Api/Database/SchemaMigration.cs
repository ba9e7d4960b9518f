using DbUp;
using DbUp.Engine;
using DbUp.Engine.Output;
using DbUp.Engine.Transactions;
using DbUp.Postgresql;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>
/// Brings the schema up to date at start, under a lock in the database, so that any number of instances may start at once. While the
/// database is down, the instance is not ready and retries at growing intervals.
/// </summary>
internal sealed partial class SchemaMigration(
    NpgsqlDataSource dataSource, DatabaseOutage outage, TimeProvider time, ILogger<SchemaMigration> logger) : BackgroundService
{
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(5);

    /// <summary>True once the schema is known to be in place.</summary>
    public bool Done { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var delay = TimeSpan.FromMilliseconds(100); !Done; delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, MaxDelay.Ticks)))
        {
            try
            {
                await Task.Run(() => Migrate(stoppingToken), stoppingToken);
                outage.Recovered();
                Done = true;
            }
            catch (Exception e) when (e.ToDatabaseFailure() is not DatabaseFailure.None)
            {
                LogWaiting(logger, e.Message);
                await Task.Delay(delay * (0.5 + Random.Shared.NextDouble()), time, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // This stops the host, which would still exit with code 0.
                Environment.ExitCode = 1;
                throw;
            }
        }
    }

    // DbUp knows no asynchronous way.
    private void Migrate(CancellationToken cancellationToken)
    {
        var connections = new PostgresqlConnectionManager(dataSource);
        var result = DeployChanges.To
            .PostgresqlDatabase(connections)
            .WithScriptsEmbeddedInAssembly(typeof(SchemaMigration).Assembly, name => name.EndsWith(".sql", StringComparison.Ordinal))
            .JournalTo((_, log) => new LockedJournal(connections, log(), cancellationToken))
            .WithTransaction()
            // In PostgreSQL $body$ is a quote, not a variable.
            .WithVariablesDisabled()
            .WithExecutionTimeout(TimeSpan.FromMinutes(1))
            .LogToNowhere()
            .Build()
            .PerformUpgrade();
        if (!result.Successful)
        {
            throw result.Error;
        }

        var applied = result.Scripts.Count();
        LogDone(logger, applied);
    }

    /// <summary>
    /// Reads the journal under a lock. The lock ends with the migration's transaction, not with the session: behind a pooler, sessions
    /// outlive their clients.
    /// </summary>
    private sealed class LockedJournal(IConnectionManager connections, IUpgradeLog log, CancellationToken cancellationToken)
        : PostgresqlTableJournal(() => connections, () => log, "public", "schema_versions"), IJournal
    {
        // Arbitrary, but the same in every version.
        private const string Lock = "SELECT pg_advisory_xact_lock(736572737663)";

        string[] IJournal.GetExecutedScripts()
        {
            connections.ExecuteCommandsWithManagedConnection(createCommand =>
            {
                using var command = createCommand();
                command.CommandText = Lock;
                // How long another instance may migrate, in seconds.
                command.CommandTimeout = 60;
                using (cancellationToken.Register(command.Cancel))
                {
                    command.ExecuteNonQuery();
                }
            });
            return GetExecutedScripts();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The schema is not in place yet: {Reason}")]
    private static partial void LogWaiting(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The schema is in place; {Applied} scripts were applied")]
    private static partial void LogDone(ILogger logger, int applied);
}

internal sealed class SchemaHealthCheck(SchemaMigration migration) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(migration.Done ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("the database has not answered yet, or its schema is not in place"));
}
