using DbUp;
using DbUp.Postgresql;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>
/// Brings the schema up to date at start, under a lock of the database's, so that any number of instances may start at once. While
/// the database is away it tries again with a growing pause; the instance is not ready, and does not crash.
/// </summary>
internal sealed partial class SchemaMigration(
    NpgsqlDataSource dataSource, DatabaseOutage outage, TimeProvider time, ILogger<SchemaMigration> logger) : BackgroundService
{
    // Any number will do, so long as it is always the same one.
    private const long LockKey = 7_365_727_376_63;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>True once the schema has been seen in place.</summary>
    public bool Done { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var pause = TimeSpan.FromMilliseconds(100); !Done; pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks)))
        {
            try
            {
                await MigrateAsync(stoppingToken);
                outage.Recovered();
                Done = true;
            }
            catch (Exception e) when (DatabaseOutage.Is(e))
            {
                LogWaiting(logger, e.Message);
                await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), time, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // The host stops on it, and would say with exit code 0 that all went well.
                Environment.ExitCode = 1;
                throw;
            }
        }
    }

    private async Task MigrateAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        // Held by the session: a migrator that dies lets go of it. Its time bounds how long others may take to migrate.
        await using var take = new NpgsqlCommand("SELECT pg_advisory_lock($1)", connection) { Parameters = { new() { Value = LockKey } }, CommandTimeout = 60 };
        await take.ExecuteNonQueryAsync(cancellationToken);
        try
        {
            var result = DeployChanges.To
                .PostgresqlDatabase(new PostgresqlConnectionManager(dataSource))
                .WithScriptsEmbeddedInAssembly(typeof(SchemaMigration).Assembly, name => name.EndsWith(".sql", StringComparison.Ordinal))
                .JournalToPostgresqlTable("public", "schema_versions")
                .WithTransactionPerScript()
                // $body$ is PostgreSQL's quoting, not a variable.
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

    [LoggerMessage(Level = LogLevel.Information, Message = "The schema is in place, {Applied} scripts were new")]
    private static partial void LogDone(ILogger logger, int applied);
}

internal sealed class SchemaHealthCheck(SchemaMigration migration) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(migration.Done ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("the database has not answered with its schema in place yet"));
}
