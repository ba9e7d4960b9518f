using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>Asks the database for a sign of life.</summary>
internal static class DatabaseProbe
{
    // Seconds, the smallest unit that Npgsql knows. Whoever probes has waited longer for something else.
    private const int Timeout = 1;

    // For a server, or a proxy before it, that accepts connections only to break them.
    private const int MaxLost = 100;

    /// <summary>Never throws, unless cancelled.</summary>
    public static async Task<bool> AnswersAsync(this NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        for (var lost = 0; lost < MaxLost; lost++)
        {
            var isOpen = false;
            try
            {
                await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
                isOpen = true;
                await using var command = new NpgsqlCommand("SELECT 1", connection) { CommandTimeout = Timeout };
                await command.ExecuteScalarAsync(cancellationToken);
                return true;
            }
            catch (Exception e) when (isOpen && e.ToDatabaseFailure() is DatabaseFailure.Lost)
            {
                // A dead connection leaves the pool when it fails, and the next one may be alive: the server ends idle sessions one by one (57P05).
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // An error that is not the database's own comes from a running server: requests will find out what is wrong.
                return e is PostgresException && e.ToDatabaseFailure() is DatabaseFailure.None or DatabaseFailure.Contention or DatabaseFailure.RolledBack;
            }
        }

        return false;
    }
}
