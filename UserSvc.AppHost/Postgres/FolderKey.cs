using System.Security.Cryptography;
using System.Text;

namespace UserSvc.AppHost.Postgres;

/// <summary>Twelve hex digits that stand for a folder where its path cannot.</summary>
internal static class FolderKey
{
    public static string Create(string folder) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(folder))))[..12];
}
