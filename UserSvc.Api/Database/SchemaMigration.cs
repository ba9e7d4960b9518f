using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>Section <c>Schema</c>.</summary>
internal sealed class SchemaOptions
{
    /// <summary>Exit with 0 once the schema is up to date, for a job that runs as the tables' owner. Default false: serve.</summary>
    public bool MigrateOnly { get; set; }
}

/// <summary>
/// Brings the schema up to date at start. While the database is down, the instance is not ready and retries at growing intervals. A mistake
/// that only an operator can correct ends the service.
/// </summary>
internal sealed partial class SchemaMigration(
    NpgsqlDataSource dataSource, DatabaseOutage outage, IOptions<SchemaOptions> options, ServiceExit exit, TimeProvider time, ILogger<SchemaMigration> logger) : BackgroundService
{
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(5);

    /// <summary>True once the schema is known to be in place.</summary>
    public bool Done { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var schema = new Schema(dataSource);
        for (var delay = TimeSpan.FromMilliseconds(100); !Done; delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, MaxDelay.Ticks)))
        {
            try
            {
                var applied = await schema.MigrateAsync(stoppingToken);
                LogDone(logger, applied);
                outage.Recovered();
                Done = true;
            }
            catch (Exception e) when (ToMistake(e) is { } mistake)
            {
                exit.Fail(mistake);
                return;
            }
            catch (Exception e) when (e.ToDatabaseFailure() is not DatabaseFailure.None)
            {
                LogWaiting(logger, e.ToAdvice() ?? e.Message);
                await Task.Delay(delay * (0.5 + Random.Shared.NextDouble()), time, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // This stops the host, which would still exit with code 0.
                exit.Fail(null);
                throw;
            }
        }

        if (options.Value.MigrateOnly)
        {
            exit.Succeed();
        }
    }

    // What waiting does not cure. Of several hosts, another one may take over.
    private string? ToMistake(Exception exception) => exception switch
    {
        InvalidConfigurationException => exception.Message,
        _ => exception.ToDatabaseFailure() switch
        {
            DatabaseFailure.Unable => null,
            not DatabaseFailure.Rejected when dataSource is NpgsqlMultiHostDataSource => null,
            _ => exception.ToAdvice(),
        },
    };

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
