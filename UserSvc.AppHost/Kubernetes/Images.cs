using System.Linq.Expressions;

namespace UserSvc.AppHost.Kubernetes;

internal static class Images
{
    /// <summary>The user of .NET's images, and of PostgreSQL's.</summary>
    public const int User = 1654, PostgresUser = 999;

    /// <summary><c>registry/name@digest</c>, or <c>registry/name:tag</c> where there is no digest.</summary>
    public static string Of(string name, Expression<Func<ChartValues, string>> digest) =>
        $"{Helm.Required(values => values.Image.Registry)}/{name}"
        + $"{{{{ if {Helm.Path(digest)} }}}}@{Helm.Value(digest)}{{{{ else }}}}:{Helm.Required(values => values.Image.Tag)}{{{{ end }}}}";
}
