using DbUp;
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
    // Arbitrary, but the same in every version.
    private const long LockKey = 736_572_737_663;
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(5);

    /// <summary>True once the schema is known to be in place.</summary>
    public bool Done { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var delay = TimeSpan.FromMilliseconds(100); !Done; delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, MaxDelay.Ticks)))
        {
            try
            {
                await MigrateAsync(stoppingToken);
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

    private async Task MigrateAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        // The session holds the lock, so a migrator that dies releases it. The timeout bounds how long we wait for another migrator.
        await using var acquire = new NpgsqlCommand("SELECT pg_advisory_lock($1)", connection) { Parameters = { new() { Value = LockKey } }, CommandTimeout = 60 };
        await acquire.ExecuteNonQueryAsync(cancellationToken);
        try
        {
            var result = DeployChanges.To
                .PostgresqlDatabase(new PostgresqlConnectionManager(dataSource))
                .WithScriptsEmbeddedInAssembly(typeof(SchemaMigration).Assembly, name => name.EndsWith(".sql", StringComparison.Ordinal))
                .JournalToPostgresqlTable("public", "schema_versions")
                .WithTransactionPerScript()
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
        finally
        {
            await using var release = new NpgsqlCommand("SELECT pg_advisory_unlock($1)", connection) { Parameters = { new() { Value = LockKey } } };
            await release.ExecuteNonQueryAsync(CancellationToken.None);
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
