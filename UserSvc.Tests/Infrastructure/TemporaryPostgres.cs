using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Infrastructure;

/// <summary>A server in a temporary folder, which is deleted when the server is disposed.</summary>
internal static class TemporaryPostgres
{
    private const string Prefix = "usersvc-postgres-";

    // A younger folder may belong to another run that is about to take its lock.
    private static readonly TimeSpan LeftoverAge = TimeSpan.FromMinutes(1);

    public static async Task<PostgresServer> StartAsync(CancellationToken cancellationToken, params IEnumerable<(string Name, string Value)> settings)
    {
        await DeleteLeftoversAsync(cancellationToken);
        return await PostgresServer.StartAsync(
            new()
            {
                Folder = Directory.CreateTempSubdirectory(Prefix).FullName,
                Temporary = true,
                Settings = settings.Prepend(("max_connections", "300")).ToDictionary(),
            },
            cancellationToken);
    }

    /// <summary>Removes the servers of killed test runs. A folder whose lock is free belongs to nobody.</summary>
    private static async Task DeleteLeftoversAsync(CancellationToken cancellationToken)
    {
        var leftBefore = DateTime.UtcNow - LeftoverAge;
        foreach (var folder in Directory.GetDirectories(Path.GetTempPath(), Prefix + "*").Where(folder => Directory.GetLastWriteTimeUtc(folder) < leftBefore))
        {
            var path = Path.Combine(folder, PostgresServer.LockName);
            try
            {
                using var folderLock = FileLock.TryTake(path);
                if (folderLock is not null)
                {
                    await new LocalPostgres(new() { Folder = folder }).DeleteDataAsync(cancellationToken);
                    Directory.Delete(folder, recursive: true);
                }
            }
            catch (Exception failure) when (failure is UnauthorizedAccessException or IOException)
            {
                // It belongs to another user, or another run is deleting it.
            }
        }
    }
}
